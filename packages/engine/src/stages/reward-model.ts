import * as tf from '@tensorflow/tfjs-core';
import type { Execution, Tensors } from '@trainyard/tensor';
import type { HostTensors } from '../host-tensor.ts';
import { dropoutSeed } from '../model/dropout.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { checkParameters, HEAD, type ParameterLookup } from '../model/parameters.ts';
import { normal, random } from '../random.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import { bothSides, type Preference, validatePreferences } from './preference.ts';
import { bradleyTerryLoss } from './preference-loss.ts';
import { SCORE_WEIGHT, score, sequenceBatch, sequenceScores, validateSequences } from './score.ts';
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
  execution?: Execution;
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
  const { weights, config, pairs, optimization, control, resume, execution } = options;
  checkParameters(weights, config);
  validatePreferences(pairs, config.contextLength);
  validateSequences(
    bothSides(pairs).map(({ tokens }) => tokens),
    config.contextLength,
  );
  const order = epochOrder(optimization.seed, pairs.length);
  const { dropout: rate = 0, seed } = optimization;
  yield* runSteps({
    weights: () => resume?.weights ?? withHead(weights, config, seed),
    optimization,
    control,
    ...(resume && { resume }),
    ...(execution && { execution }),
    batch: (step, micro) => ({
      ...sequenceBatch(
        bothSides(drawBatch(pairs, order, { step, micro, ...optimization })).map(({ tokens }) => tokens),
        config.contextLength,
      ),
      dropout: dropoutSeed(seed, step, micro),
    }),
    loss: ({ trained }, batch) => pairLoss(trained, config, batch, rate),
  });
}

function pairLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  batch: Tensors,
  rate: number,
): LossAndMetrics {
  const dropout = { rate, seed: batch.dropout as tf.Tensor1D };
  const [chosen, rejected] = tf.split<tf.Tensor1D>(sequenceScores(parameters, config, batch, dropout), 2);
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
