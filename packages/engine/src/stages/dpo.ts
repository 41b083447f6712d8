import * as tf from '@tensorflow/tfjs-core';
import type { HostTensors } from '../host-tensor.ts';
import type { ModelConfig } from '../model/model-config.ts';
import {
  checkParameters,
  disposeParameters,
  loadParameters,
  lookup,
  type ParameterLookup,
} from '../model/parameters.ts';
import { refuseDropout } from './dropout-of.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import { bothSides, type Preference, validatePreferences } from './preference.ts';
import { dpoLoss, dpoMargins, type PairLogProbabilities } from './preference-loss.ts';
import { targetBatch, targetLogProbabilities } from './target-log-probabilities.ts';
import {
  type Control,
  type LossAndMetrics,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
} from './training.ts';

export interface DpoOptions {
  /** The assistant to train; as it is here it is also the frozen reference. */
  weights: HostTensors;
  config: ModelConfig;
  pairs: readonly Preference[];
  optimization: Optimization;
  /** Strength of the pull to the reference. */
  beta: number;
  /**
   * Weight of the chosen answer's mean negative log-likelihood per token. Without it DPO alone can make the chosen
   * answer less likely as long as the rejected one falls faster (Pang et al. 2024, "Iterative reasoning preference
   * optimization").
   */
  nllWeight: number;
  control: Control;
  resume?: TrainingState;
}

/**
 * Direct preference optimization (Rafailov et al. 2023) with a share of likelihood training on the chosen answers.
 * Resuming needs the original `weights`, as the reference.
 * @throws TrainyardError `invalid_data` for pairs that cannot be trained on, `incompatible_checkpoint` when the
 *   weights are not those of `config`.
 */
export async function* dpo(options: DpoOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { weights, config, pairs, optimization, control, resume } = options;
  checkParameters(weights, config);
  refuseDropout(optimization);
  validatePreferences(pairs, config.contextLength);
  const order = epochOrder(optimization.seed, pairs.length);
  const batch = (step: number, micro: number) => drawBatch(pairs, order, { step, micro, ...optimization });
  const trainable = loadParameters(resume?.weights ?? weights);
  const reference = loadParameters(weights, { trainable: false });
  // Summed log-probabilities of the step's answers under the reference, by micro batch: computed off the tape.
  let referenceSums: Float32Array[] = [];
  try {
    yield* runSteps({
      trainable,
      optimization,
      control,
      ...(resume && { resume }),
      prepare: async (step) => {
        referenceSums = [];
        for (let micro = 0; micro < optimization.accumulation; micro += 1) {
          const sums = tf.tidy(() => answerSums(lookup(reference), config, batch(step, micro)).sums);
          referenceSums.push((await sums.data()) as Float32Array);
          tf.dispose(sums);
        }
        return [];
      },
      microBatchLoss: (step, micro) =>
        preferenceLoss(lookup(trainable), batch(step, micro), tf.tensor1d(referenceSums[micro]!), options),
    });
  } finally {
    disposeParameters(trainable);
    disposeParameters(reference);
  }
}

function preferenceLoss(
  parameters: ParameterLookup,
  pairs: readonly Preference[],
  referenceSums: tf.Tensor1D,
  { config, beta, nllWeight }: DpoOptions,
): LossAndMetrics {
  const { sums, counts } = answerSums(parameters, config, pairs);
  const policy = halves(sums);
  const margins = dpoMargins(policy, halves(referenceSums), beta);
  const nll = tf.neg(tf.div(tf.sum(policy.chosen), tf.sum(halves(counts).chosen))) as tf.Scalar;
  const preference = dpoLoss(margins);
  return {
    loss: nllWeight === 0 ? preference : tf.add(preference, tf.mul(nll, nllWeight)),
    metrics: {
      preference_loss: preference,
      chosen_nll: nll,
      margin: tf.mean(margins),
      accuracy: tf.mean(tf.cast(tf.greater(margins, 0), 'float32')),
    },
  };
}

/** Log-probability and number of the answer's tokens, [2B] each: chosen answers first. */
function answerSums(
  parameters: ParameterLookup,
  config: ModelConfig,
  pairs: readonly Preference[],
): { sums: tf.Tensor1D; counts: tf.Tensor1D } {
  const batch = targetBatch(bothSides(pairs));
  const logProbabilities = targetLogProbabilities(parameters, config, batch);
  return { sums: tf.sum(tf.mul(logProbabilities, batch.weights), 1), counts: tf.sum(batch.weights, 1) };
}

function halves(both: tf.Tensor1D): PairLogProbabilities {
  const [chosen, rejected] = tf.split<tf.Tensor1D>(both, 2);
  return { chosen: chosen!, rejected: rejected! };
}
