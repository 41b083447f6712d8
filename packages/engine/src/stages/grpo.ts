import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { type HostTensors, toHost } from '../host-tensor.ts';
import type { ModelConfig } from '../model/model-config.ts';
import {
  checkParameters,
  disposeParameters,
  loadParameters,
  lookup,
  type Parameters,
} from '../model/parameters.ts';
import { completionLoss, microBatch, rolloutRows } from './completion-loss.ts';
import { refuseDropout } from './dropout-of.ts';
import { epochOrder } from './epoch-order.ts';
import type { GrpoObjective } from './grpo-loss.ts';
import { rolloutFromHost, rolloutToHost } from './rollout.ts';
import { type Prompt, type RolloutSampling, sampleRollout } from './sample-rollout.ts';
import {
  type Control,
  type LossAndMetrics,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
} from './training.ts';

export interface GrpoOptions extends RolloutSampling, GrpoObjective {
  /** The assistant to train; as it is here it is also the frozen reference. */
  weights: HostTensors;
  config: ModelConfig;
  prompts: readonly Prompt[];
  /**
   * `steps` are optimizer steps. A step learns from promptsPerStep * groupSize answers, split into `accumulation`
   * micro batches; `batchSize` is not used.
   */
  optimization: Optimization;
  promptsPerStep: number;
  /** Optimizer steps on each batch of answers. */
  updatesPerRollout: number;
  /** Report the answers of every so many rollouts; 10 unless given. */
  samplesEvery?: number;
  control: Control;
  resume?: TrainingState;
}

/**
 * Group relative policy optimization (Shao et al. 2024, "DeepSeekMath", section 4.1): the model writes several answers
 * to each prompt, `judge` rewards them, and each is made more or less likely by how much better it is than its group.
 * Rollouts are drawn from (seed, rollout) with the weights of that step, so that a resumed run replays them; a
 * checkpoint between two updates on one rollout carries it. Resuming needs the original `weights`, as the reference.
 * Log-probabilities are those of the distribution sampled from, at `temperature`.
 * @throws TrainyardError `invalid_data` for no prompts or one that leaves no room for an answer, `invalid_config` for
 *   a group below 2 or a temperature of 0, `incompatible_checkpoint` when the weights are not those of `config`.
 */
export async function* grpo(options: GrpoOptions): AsyncGenerator<TrainingEvent, void, void> {
  validateGrpo(options);
  const { weights, config, optimization, updatesPerRollout, resume, control } = options;
  const trainable = loadParameters(resume?.weights ?? weights);
  const reference = loadParameters(weights, { trainable: false });
  const order = epochOrder(optimization.seed, options.prompts.length);
  const midRollout = (step: number) => step % updatesPerRollout !== 0;
  let rows = resume && midRollout(resume.step) ? rolloutFromHost(resume.optimizer) : [];
  let metrics: Record<string, number> = {};

  let step = resume?.step ?? 0;

  async function rollOut(): Promise<TrainingEvent[]> {
    const rollout = step / updatesPerRollout;
    const prompts = drawPrompts(options, order, rollout);
    const stream = { seed: optimization.seed, rollout };
    const sampled = await sampleRollout({ params: trainable, config }, prompts, options, stream);
    metrics = sampled.metrics;
    rows = await rolloutRows(sampled.completions, lookup(trainable), lookup(reference), options);
    const reported = rollout % (options.samplesEvery ?? 10) === 0;
    return reported ? [{ type: 'samples', step: step + 1, samples: sampled.samples }] : [];
  }

  try {
    yield* runSteps({
      trainable,
      optimization,
      control,
      ...(resume && { resume }),
      prepare: async (current) => {
        step = current;
        metrics = {};
        return midRollout(step) ? [] : rollOut();
      },
      microBatchLoss: (_, micro) => {
        const own = microBatch(rows, micro, optimization.accumulation);
        return own.length === 0 ? zeroLoss(trainable) : completionLoss(lookup(trainable), own, options);
      },
      metrics: () => metrics,
      snapshot: async () => ({
        weights: await toHost(trainable),
        ...(midRollout(step + 1) && { optimizer: rolloutToHost(rows) }),
      }),
    });
  } finally {
    disposeParameters(trainable);
    disposeParameters(reference);
  }
}

function drawPrompts(
  { prompts, promptsPerStep }: GrpoOptions,
  order: (draw: number) => number,
  rollout: number,
): Prompt[] {
  const first = rollout * promptsPerStep;
  return Array.from({ length: promptsPerStep }, (_, i) => prompts[order(first + i)]!);
}

/** Nothing to learn: a loss of 0 whose gradient is 0 for every weight. */
function zeroLoss(trainable: Parameters): LossAndMetrics {
  const sums = Array.from(trainable.values(), (weight) => tf.sum(weight));
  return { loss: tf.mul(tf.addN(sums) as tf.Scalar, 0), metrics: { kl: tf.scalar(0) } };
}

function validateGrpo(options: GrpoOptions): void {
  const { weights, config, prompts, groupSize, temperature, maxNewTokens, optimization } = options;
  checkParameters(weights, config);
  refuseDropout(optimization);
  const invalid = (param: string, message: string) =>
    new TrainyardError('invalid_config', message, { param });
  if (groupSize < 2)
    throw invalid('groupSize', `groupSize is ${groupSize}; answers are compared, so write at least 2.`);
  if (!(temperature > 0))
    throw invalid('temperature', `temperature is ${temperature}; it must be above 0 to vary answers.`);
  if (prompts.length === 0)
    throw new TrainyardError('invalid_data', 'There are no prompts: add at least one.');
  const room = config.contextLength - maxNewTokens;
  const wrong = prompts.findIndex(({ tokens }) => tokens.length === 0 || tokens.length > room);
  if (wrong >= 0) {
    throw new TrainyardError(
      'invalid_data',
      `Prompt ${wrong + 1} has ${prompts[wrong]!.tokens.length} tokens; with maxNewTokens ${maxNewTokens} it must have 1 to ${room}.`,
      { details: [{ message: 'The prompt does not fit the context.', line: wrong + 1 }] },
    );
  }
}
