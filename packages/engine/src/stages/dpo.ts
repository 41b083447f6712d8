import * as tf from '@tensorflow/tfjs-core';
import type { Execution, Tensors } from '@trainyard/tensor';
import type { HostTensors } from '../host-tensor.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { checkParameters, type ParameterLookup } from '../model/parameters.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import { bothSides, type Preference, validatePreferences } from './preference.ts';
import { dpoLoss, dpoMargins, type PairLogProbabilities } from './preference-loss.ts';
import { refuseDropout } from './refuse-dropout.ts';
import { targetBatch, targetLogProbabilities } from './target-log-probabilities.ts';
import {
  type Control,
  type LossAndMetrics,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
  type Weights,
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
  execution?: Execution;
}

/**
 * Direct preference optimization (Rafailov et al. 2023) with a share of likelihood training on the chosen answers.
 * Resuming needs the original `weights`, as the reference.
 * @throws TrainyardError `invalid_data` for pairs that cannot be trained on, `incompatible_checkpoint` when the
 *   weights are not those of `config`.
 */
export async function* dpo(options: DpoOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { weights, config, pairs, optimization, control, resume, execution } = options;
  checkParameters(weights, config);
  refuseDropout(optimization);
  validatePreferences(pairs, config.contextLength);
  const order = epochOrder(optimization.seed, pairs.length);
  yield* runSteps({
    weights: () => resume?.weights ?? weights,
    frozen: weights,
    optimization,
    control,
    ...(resume && { resume }),
    ...(execution && { execution }),
    batch: (step, micro) =>
      targetBatch(bothSides(drawBatch(pairs, order, { step, micro, ...optimization })), config.contextLength),
    loss: (own, batch) => preferenceLoss(own, batch, options),
  });
}

function preferenceLoss(
  { trained, frozen }: Weights,
  batch: Tensors,
  { config, beta, nllWeight }: DpoOptions,
): LossAndMetrics {
  const policy = halves(answerSums(trained, config, batch));
  const margins = dpoMargins(policy, halves(answerSums(frozen, config, batch)), beta);
  const counts = halves(tf.sum(batch.weights!, 1));
  const nll = tf.neg(tf.div(tf.sum(policy.chosen), tf.sum(counts.chosen))) as tf.Scalar;
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

/** Log-probability of each answer, [2B]: chosen answers first. */
function answerSums(parameters: ParameterLookup, config: ModelConfig, batch: Tensors): tf.Tensor1D {
  return tf.sum(tf.mul(targetLogProbabilities(parameters, config, batch), batch.weights!), 1);
}

function halves(both: tf.Tensor1D): PairLogProbabilities {
  const [chosen, rejected] = tf.split<tf.Tensor1D>(both, 2);
  return { chosen: chosen!, rejected: rejected! };
}
