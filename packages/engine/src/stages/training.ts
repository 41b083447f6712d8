import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { createProgram, type Execution, type StepFunction, type Tensors } from '@trainyard/tensor';
import { fromHost, type HostTensors, toHost, upload } from '../host-tensor.ts';
import { lookup, type ParameterLookup, type Parameters } from '../model/parameters.ts';
import {
  type AdamWOptions,
  adamw,
  adamwInputs,
  adamwMoments,
  firstMoment,
  secondMoment,
} from '../optim/adamw.ts';
import { learningRate, type Schedule } from '../optim/schedule.ts';

export interface Sample {
  prompt: string;
  completion: string;
  reward?: number;
}

/** All that a run needs to go on as if it had not stopped. */
export interface TrainingState {
  /** Optimizer steps done. */
  step: number;
  weights: HostTensors;
  optimizer: HostTensors;
  counters: Record<string, number>;
}

export type TrainingEvent =
  | { type: 'metrics'; step: number; totalSteps: number; values: Record<string, number> }
  /** The state is a snapshot: no later step changes it. */
  | { type: 'checkpoint'; step: number; state: TrainingState; final: boolean }
  | { type: 'samples'; step: number; samples: Sample[] };

/** Asked after every optimizer step, with the number of steps done. */
export type Control = (step: number) => 'continue' | 'checkpoint' | 'checkpoint_and_stop';

export interface Optimization extends Schedule, AdamWOptions {
  steps: number;
  /** Sequences in a micro batch. */
  batchSize: number;
  /** Micro batches in an optimizer step; their losses are averaged. */
  accumulation: number;
  /** Residual dropout's rate. */
  dropout?: number;
  seed: number;
  /** Steps, counted from 0, that leave the weights as they are: what was met there was not finite. */
  skippedSteps?: ReadonlySet<number>;
}

/** The loss or the gradient of a step, counted from 0, was not finite; no checkpoint holds what came of it. */
export class NonFiniteLossError extends TrainyardError {
  readonly step: number;
  constructor(step: number) {
    super(
      'non_finite_loss',
      `The loss is not finite at step ${step + 1}; use a lower learning rate or a lower gradient clip, or let the run pass over such steps (non_finite_loss: rewind).`,
    );
    this.step = step;
  }
}

export interface LossAndMetrics {
  loss: tf.Scalar;
  /** Averaged over the micro batches. */
  metrics: Record<string, tf.Scalar>;
}

/** The weights that a function of a stage sees. */
export interface Weights {
  trained: ParameterLookup;
  frozen: ParameterLookup;
}

/** A function of weights and inputs alone, made of TensorFlow.js operations: it is compiled where that is possible. */
type ModelFunction<Result> = (weights: Weights, inputs: Tensors) => Result;

/** What a stage may do with the weights between steps. */
export interface Model {
  /** Runs one of the stage's functions; the caller disposes of what it gives. */
  run(name: string, inputs: HostTensors): Tensors;
  /** The trained weights as they are now; the caller disposes of them. */
  weights(): Parameters;
}

export interface TrainingTask {
  /**
   * The weights to train, which the stage takes from `resume` where that is given. Asked for once and not kept: a
   * trained model's first weights need no room beside it.
   */
  weights: () => HostTensors;
  /** Weights that stay as they are. */
  frozen?: HostTensors;
  optimization: Optimization;
  /** What one micro batch learns from, a pure function of its place; best always of the same shapes. */
  batch: (step: number, micro: number) => HostTensors;
  /** Differentiated in the trained weights. */
  loss: ModelFunction<tf.Scalar | LossAndMetrics>;
  /** Further functions, for `prepare`. */
  functions?: Record<string, ModelFunction<Tensors>>;
  control: Control;
  resume?: TrainingState;
  /** Runs before a step: sampling, judging. Its events are passed on. */
  prepare?: (step: number, model: Model) => Promise<TrainingEvent[]>;
  /** Host numbers for the metrics of a step. */
  metrics?: (step: number) => Record<string, number>;
  /** What a checkpoint holds: the trained weights unless given; `optimizer` is added to the moments. */
  snapshot?: (trained: HostTensors) => Promise<{ weights: HostTensors; optimizer?: HostTensors }>;
  execution?: Execution;
}

const frozenName = (name: string): string => `frozen.${name}`;
const sumName = (name: string): string => `sum.${name}`;

/**
 * The loop that all stages share: for each step sum the gradients of the micro batches, clip, update, report, ask.
 * After every step as many tensors exist as before it.
 * @throws NonFiniteLossError before any checkpoint of that step.
 */
export async function* runSteps(task: TrainingTask): AsyncGenerator<TrainingEvent, void, void> {
  const { optimization, resume, control } = task;
  const total = optimization.steps;
  const trainer = new Trainer(task);
  try {
    for (let step = resume?.step ?? 0; step < total; step++) {
      if (task.prepare) yield* await task.prepare(step, trainer);
      const skipped = optimization.skippedSteps?.has(step);
      const values = skipped ? { skipped: 1 } : { ...(await trainer.step(step)), ...task.metrics?.(step) };
      const done = step + 1;
      yield { type: 'metrics', step: done, totalSteps: total, values };
      const decision = control(done);
      const final = done === total;
      if (final || decision !== 'continue')
        yield { type: 'checkpoint', step: done, state: await trainer.snapshot(done), final };
      if (decision === 'checkpoint_and_stop') return;
      await setImmediate(); // lets signals and messages through: no await above needs to leave the microtask queue
    }
  } finally {
    trainer.dispose();
  }
}

/** The weights, the optimizer's moments and the functions on them, as one program. */
class Trainer implements Model {
  readonly #task: TrainingTask;
  readonly #names: string[];
  readonly #program;
  /** Names of the loss and the metrics, in the order in which a step packs them. */
  #packed: string[] = [];
  #updates: number;

  constructor(task: TrainingTask) {
    const { frozen = {}, resume, functions = {}, execution, optimization } = task;
    const weights = task.weights();
    this.#task = task;
    // By name, wherever they come from: sums over all parameters must round alike in a run that was resumed.
    this.#names = Object.keys(weights).sort();
    this.#updates = resume ? (resume.counters.adamw_step ?? resume.step) : 0;
    const others = Object.entries(functions).map(([name, compute]): [string, StepFunction] => [
      name,
      (state, inputs) => ({ outputs: compute(this.#weights(state), inputs) }),
    ]);
    const accumulating = optimization.accumulation > 1;
    const sums = Object.entries(accumulating ? weights : {});
    const state = {
      ...upload(weights),
      ...adamwMoments(weights, resume?.optimizer),
      ...Object.fromEntries(
        Object.entries(frozen).map(([name, value]) => [frozenName(name), fromHost(value)]),
      ),
      ...Object.fromEntries(sums.map(([name, { shape }]) => [sumName(name), tf.fill(shape, 0)])),
    };
    this.#program = createProgram<string>(
      {
        ...Object.fromEntries(others),
        ...(accumulating ? { accumulate: this.#accumulate, update: this.#update } : { step: this.#step }),
      },
      state,
      execution,
    );
  }

  run(name: string, inputs: HostTensors): Tensors {
    const fed = upload(inputs);
    const outputs = this.#program.run(name, fed);
    tf.dispose(fed);
    return outputs;
  }

  weights(): Parameters {
    return new Map(Object.entries(this.#program.read(this.#names)));
  }

  /** One optimizer step; the values of its metrics. */
  async step(step: number): Promise<Record<string, number>> {
    const { optimization, batch } = this.#task;
    const { accumulation } = optimization;
    const rate = learningRate(optimization, step, optimization.steps);
    this.#updates += 1;
    const scalars = adamwInputs(optimization, rate, this.#updates);
    const sums: number[] = [];
    const add = async (values: tf.Tensor): Promise<void> => {
      for (const [i, value] of (await values.data()).entries()) sums[i] = (sums[i] ?? 0) + value;
      values.dispose();
    };
    let norm: number;
    if (accumulation === 1) {
      await add(this.run('step', { ...batch(step, 0), ...scalars }).values!);
      norm = sums.pop()!;
    } else {
      for (let micro = 0; micro < accumulation; micro++)
        await add(this.run('accumulate', batch(step, micro)).values!);
      const updated = this.run('update', scalars).norm!;
      norm = (await updated.data())[0]!;
      updated.dispose();
    }
    const means = Object.fromEntries(this.#packed.map((name, i) => [name, sums[i]! / accumulation]));
    const values = { ...means, gradient_norm: norm, learning_rate: rate };
    if (!Number.isFinite(means.loss) || !Number.isFinite(norm)) throw new NonFiniteLossError(step);
    return values;
  }

  async snapshot(step: number): Promise<TrainingState> {
    const tensors = this.#program.read(
      this.#names.flatMap((name) => [name, firstMoment(name), secondMoment(name)]),
    );
    const host = await toHost(new Map(Object.entries(tensors)));
    tf.dispose(tensors);
    const trained = Object.fromEntries(this.#names.map((name) => [name, host[name]!]));
    for (const name of this.#names) delete host[name];
    const { weights, optimizer } = this.#task.snapshot
      ? await this.#task.snapshot(trained)
      : { weights: trained, optimizer: {} };
    return {
      step,
      weights,
      optimizer: { ...host, ...optimizer },
      counters: { adamw_step: this.#updates },
    };
  }

  dispose(): void {
    this.#program.dispose();
  }

  readonly #step: StepFunction = (state, inputs) => {
    const { gradients, values } = this.#gradients(state, inputs);
    const updated = adamw(state, gradients, inputs, this.#task.optimization);
    return { outputs: { values: tf.stack([...values, updated.norm]) }, state: updated.state };
  };

  readonly #accumulate: StepFunction = (state, inputs) => {
    const { gradients, values } = this.#gradients(state, inputs);
    const sums = [...gradients].map(([name, gradient]) => [
      sumName(name),
      tf.add(state[sumName(name)]!, gradient),
    ]);
    return { outputs: { values: tf.stack(values) }, state: Object.fromEntries(sums) };
  };

  readonly #update: StepFunction = (state, inputs) => {
    const gradients = new Map(this.#names.map((name) => [name, state[sumName(name)]!]));
    const { state: changed, norm } = adamw(state, gradients, inputs, this.#task.optimization);
    const cleared = this.#names.map((name) => [sumName(name), tf.zerosLike(state[sumName(name)]!)]);
    return { outputs: { norm }, state: { ...changed, ...Object.fromEntries(cleared) } };
  };

  /** Gradients of this micro batch's share of the step's loss; the loss and the metrics as they are. */
  #gradients(state: Tensors, inputs: Tensors): { gradients: Map<string, tf.Tensor>; values: tf.Tensor[] } {
    const kept: Record<string, tf.Tensor> = {};
    const { value, grads } = tf.valueAndGrads((...trained: tf.Tensor[]) => {
      const own = Object.fromEntries(this.#names.map((name, i) => [name, trained[i]!]));
      const result = this.#task.loss(this.#weights({ ...state, ...own }), inputs);
      if (result instanceof tf.Tensor) return result;
      for (const [name, metric] of Object.entries(result.metrics)) kept[name] = tf.keep(tf.clone(metric));
      return result.loss;
    })(
      this.#names.map((name) => state[name]!),
      tf.scalar(1 / this.#task.optimization.accumulation),
    );
    const metrics = Object.values(kept).map((metric) => tf.clone(metric));
    tf.dispose(kept);
    this.#packed = ['loss', ...Object.keys(kept)];
    return {
      gradients: new Map(this.#names.map((name, i) => [name, grads[i]!])),
      values: [value, ...metrics],
    };
  }

  #weights(state: Tensors): Weights {
    const all = lookup(new Map(Object.entries(state)));
    return { trained: all, frozen: (name) => all(frozenName(name)) };
  }
}
