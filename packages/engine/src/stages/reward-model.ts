import * as tf from '@tensorflow/tfjs-core';
import type { HostTensors } from '../host-tensor.ts';
import type { Dropout } from '../model/dropout.ts';
import type { ModelConfig } from '../model/model-config.ts';
import {
  checkParameters,
  disposeParameters,
  HEAD,
  loadParameters,
  lookup,
  type ParameterLookup,
} from '../model/parameters.ts';
import { normal, random } from '../random.ts';
import { dropoutOf } from './dropout-of.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import { bothSides, type Preference, validatePreferences } from './preference.ts';
import { bradleyTerryLoss } from './preference-loss.ts';
import { SCORE_WEIGHT, score, sequenceScores, validateSequences } from './score.ts';
import {
  type Control,
  type LossAndMetrics,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
} from './training.ts';

export interface RewardModelOptions {
  weights: HostTensors;
  config: ModelConfig;
  pairs: readonly Preference[];
  optimization: Optimization;
  control: Control;
  resume?: TrainingState;
}

/**
 * Trains a reward model: the base model with a scalar head `score.weight` [1, width] on the last token, by the
 * Bradley-Terry loss on whole conversations. A head among `weights` is trained on; otherwise a fresh one is made.
 * @throws TrainyardError `invalid_data` for pairs that cannot be trained on, `incompatible_checkpoint` when the
 *   weights are not those of `config`.
 */
export async function* trainRewardModel(
  options: RewardModelOptions,
): AsyncGenerator<TrainingEvent, void, void> {
  const { weights, config, pairs, optimization, control, resume } = options;
  checkParameters(weights, config);
  validatePreferences(pairs, config.contextLength);
  validateSequences(
    bothSides(pairs).map(({ tokens }) => tokens),
    config.contextLength,
  );
  const trainable = loadParameters(resume?.weights ?? withHead(weights, config, optimization.seed));
  const order = epochOrder(optimization.seed, pairs.length);
  const parameters = lookup(trainable);
  try {
    yield* runSteps({
      trainable,
      optimization,
      control,
      ...(resume && { resume }),
      microBatchLoss: (step, micro) =>
        pairLoss(
          parameters,
          config,
          drawBatch(pairs, order, { step, micro, ...optimization }),
          dropoutOf(optimization, step, micro),
        ),
    });
  } finally {
    disposeParameters(trainable);
  }
}

function pairLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  pairs: readonly Preference[],
  dropout: Dropout,
): LossAndMetrics {
  const sequences = bothSides(pairs).map(({ tokens }) => tokens);
  const [chosen, rejected] = tf.split<tf.Tensor1D>(sequenceScores(parameters, config, sequences, dropout), 2);
  return {
    loss: bradleyTerryLoss(chosen!, rejected!),
    metrics: {
      accuracy: tf.mean(tf.cast(tf.greater(chosen!, rejected!), 'float32')),
      margin: tf.mean(tf.sub(chosen!, rejected!)),
    },
  };
}

/** The base's weights and a small random head; an untied output projection is left behind: nothing would train it. */
function withHead(weights: HostTensors, { width }: ModelConfig, seed: number): HostTensors {
  const uniform = random(seed, 'init', SCORE_WEIGHT);
  const data = Float32Array.from({ length: width }, () => normal(uniform) / Math.sqrt(width));
  const { [HEAD]: _, ...body } = weights;
  return { [SCORE_WEIGHT]: { dtype: 'float32', shape: [1, width], data }, ...body };
}

/** Share of pairs whose chosen answer scores higher than the rejected one, with the mean difference of the scores. */
export async function pairAccuracy(
  options: Omit<Parameters<typeof score>[0], 'sequences'> & { pairs: readonly Preference[] },
): Promise<{ accuracy: number; margin: number }> {
  const { pairs, ...model } = options;
  const scores = await score({ ...model, sequences: bothSides(pairs).map(({ tokens }) => tokens) });
  const margins = Array.from(pairs, (_, i) => scores[i]! - scores[i + pairs.length]!);
  return {
    accuracy: margins.filter((margin) => margin > 0).length / pairs.length,
    margin: margins.reduce((sum, margin) => sum + margin, 0) / pairs.length,
  };
}
