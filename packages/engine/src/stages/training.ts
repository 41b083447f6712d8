import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { type HostTensors, toHost } from '../host-tensor.ts';
import type { Parameters } from '../model/parameters.ts';
import {
  type AdamWState,
  adamwFromHost,
  adamwToHost,
  adamwUpdate,
  disposeAdamW,
  initAdamW,
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
  | { type: 'checkpoint'; step: number; state: TrainingState; final: boolean }
  | { type: 'samples'; step: number; samples: Sample[] };

/** Asked after every optimizer step, with the number of steps done. */
export type Control = (step: number) => 'continue' | 'checkpoint' | 'checkpoint_and_stop';

export interface Optimization extends Schedule {
  steps: number;
  /** Sequences in a micro batch. */
  batchSize: number;
  /** Micro batches in an optimizer step; their losses are averaged. */
  accumulation: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  gradientClip: number;
  /** Residual dropout's rate. */
  dropout?: number;
  seed: number;
}

export interface LossAndMetrics {
  loss: tf.Scalar;
  /** Averaged over the micro batches. */
  metrics: Record<string, tf.Scalar>;
}

export interface TrainingTask {
  /** The weights to train; the stage loads them (from `resume` where given) and disposes of them. */
  trainable: Parameters;
  optimization: Optimization;
  /** Runs under the gradient tape: tensors it makes are disposed of. `step` counts from 0. */
  microBatchLoss: (step: number, micro: number) => tf.Scalar | LossAndMetrics;
  control: Control;
  resume?: TrainingState;
  /** Runs before the losses of a step, outside the tape: sampling, judging. Its events are passed on. */
  prepare?: (step: number) => Promise<TrainingEvent[]>;
  /** Host numbers for the metrics of a step. */
  metrics?: (step: number) => Record<string, number>;
  /** What a checkpoint holds: `weights` is the trainable ones unless given; `optimizer` is added to the moments. */
  snapshot?: () => Promise<{ weights: HostTensors; optimizer?: HostTensors }>;
}

const EPSILON = 1e-8; // AdamW's

/**
 * The loop that all stages share: for each step sum the gradients of the micro batches, clip, update, report, ask.
 * After every step as many tensors exist as before it.
 * @throws TrainyardError internal when the loss is not finite, before any checkpoint of that step.
 */
export async function* runSteps(task: TrainingTask): AsyncGenerator<TrainingEvent, void, void> {
  const { trainable, optimization, resume, control } = task;
  const total = optimization.steps;
  const adamw = resume
    ? adamwFromHost(trainable, resume.optimizer, resume.counters.adamw_step ?? resume.step)
    : initAdamW(trainable);
  try {
    for (let step = resume?.step ?? 0; step < total; step++) {
      if (task.prepare) yield* await task.prepare(step);
      const values = { ...(await runStep(task, adamw, step)), ...task.metrics?.(step) };
      const done = step + 1;
      yield { type: 'metrics', step: done, totalSteps: total, values };
      const decision = control(done);
      const final = done === total;
      if (final || decision !== 'continue')
        yield { type: 'checkpoint', step: done, state: await snapshot(task, adamw, done), final };
      if (decision === 'checkpoint_and_stop') return;
      await setImmediate(); // lets signals and messages through: no await above needs to leave the microtask queue
    }
  } finally {
    disposeAdamW(adamw);
  }
}

async function runStep(task: TrainingTask, adamw: AdamWState, step: number): Promise<Record<string, number>> {
  const { accumulation } = task.optimization;
  const rate = learningRate(task.optimization, step, task.optimization.steps);
  let names: string[] = [];
  const packed = tf.tidy(() => {
    const { gradients, sums } = accumulate(task, step);
    const options = { ...task.optimization, learningRate: rate, epsilon: EPSILON };
    const norm = adamwUpdate(task.trainable, gradients, adamw, options);
    names = Object.keys(sums);
    return tf.stack([...Object.values(sums), norm]); // one transfer to the host a step
  });
  const numbers = await packed.data();
  packed.dispose();
  const means = Object.fromEntries(names.map((name, i) => [name, numbers[i]! / accumulation]));
  const values = { ...means, gradient_norm: numbers[names.length]!, learning_rate: rate };
  if (!Number.isFinite(means.loss) || !Number.isFinite(values.gradient_norm))
    throw new TrainyardError(
      'internal',
      `The loss is not finite at step ${step + 1}; use a lower learning rate or a lower gradient clip.`,
    );
  return values;
}

/** Mean gradients, and sums of the metrics, over the micro batches of a step. Call inside tidy. */
function accumulate(
  task: TrainingTask,
  step: number,
): { gradients: Map<string, tf.Tensor>; sums: Record<string, tf.Tensor> } {
  const variables = [...task.trainable.values()];
  const { accumulation } = task.optimization;
  const add = (a: tf.Tensor | undefined, b: tf.Tensor): tf.Tensor => {
    if (!a) return b;
    const sum = tf.add(a, b);
    tf.dispose([a, b]);
    return sum;
  };
  const share = tf.scalar(1 / accumulation);
  const sums: Record<string, tf.Tensor> = {};
  let total: tf.Tensor[] = [];
  for (let micro = 0; micro < accumulation; micro++) {
    const { gradients, metrics } = lossAndGradients(variables, share, () => task.microBatchLoss(step, micro));
    total = gradients.map((gradient, i) => add(total[i], gradient));
    for (const [name, value] of Object.entries(metrics)) sums[name] = add(sums[name], value);
  }
  return { gradients: new Map([...task.trainable.keys()].map((name, i) => [name, total[i]!])), sums };
}

/** `share` is the gradient of the step's loss with respect to this micro batch's. */
function lossAndGradients(
  variables: tf.Variable[],
  share: tf.Scalar,
  microBatchLoss: () => tf.Scalar | LossAndMetrics,
): { gradients: tf.Tensor[]; metrics: Record<string, tf.Tensor> } {
  const kept: Record<string, tf.Tensor> = {};
  const { value, grads } = tf.valueAndGrads(() => {
    const result = microBatchLoss();
    if (result instanceof tf.Tensor) return result;
    for (const [name, metric] of Object.entries(result.metrics)) kept[name] = tf.keep(tf.clone(metric));
    return result.loss;
  })(variables, share);
  const metrics = Object.fromEntries(Object.entries(kept).map(([name, metric]) => [name, tf.clone(metric)]));
  tf.dispose(kept);
  return { gradients: grads, metrics: { loss: value, ...metrics } };
}

async function snapshot(task: TrainingTask, adamw: AdamWState, step: number): Promise<TrainingState> {
  const { weights, optimizer } = task.snapshot
    ? await task.snapshot()
    : { weights: await toHost(task.trainable), optimizer: {} };
  return {
    step,
    weights,
    optimizer: { ...(await adamwToHost(adamw)), ...optimizer },
    counters: { adamw_step: adamw.step },
  };
}
