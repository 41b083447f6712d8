import * as tf from '@tensorflow/tfjs-core';
import { tokenLogProbabilities } from '../model/cross-entropy.ts';
import { forward, logits } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { ParameterLookup } from '../model/parameters.ts';
import { type ChatExample, packRow } from './chat-batch.ts';

/** Examples one a row, padded on the right: causal attention keeps the padding out of sight. */
export interface TargetBatch {
  /** int32 [B,T] */
  inputs: tf.Tensor2D;
  /** int32 [B*T], the inputs shifted by one. */
  targets: tf.Tensor1D;
  /** [B,T], 1 where a target is to be learnt. */
  weights: tf.Tensor2D;
}

/** Call inside tf.tidy. */
export function targetBatch(examples: readonly ChatExample[]): TargetBatch {
  const length = Math.max(...examples.map(({ tokens }) => tokens.length - 1));
  const size = examples.length * length;
  const [inputs, targets, weights] = [new Int32Array(size), new Int32Array(size), new Float32Array(size)];
  for (const [i, example] of examples.entries()) {
    const row = packRow([example], length);
    inputs.set(row.inputs, i * length);
    targets.set(row.targets, i * length);
    weights.set(row.weights, i * length);
  }
  return {
    inputs: tf.tensor2d(inputs, [examples.length, length], 'int32'),
    targets: tf.tensor1d(targets, 'int32'),
    weights: tf.tensor2d(weights, [examples.length, length]),
  };
}

/** Log-probability [B,T] of every target, padding included, under the model at a sampling temperature. */
export function targetLogProbabilities(
  params: ParameterLookup,
  config: ModelConfig,
  { inputs, targets }: TargetBatch,
  temperature = 1,
): tf.Tensor2D {
  const hidden = forward(params, config, inputs);
  const z = logits(params, config, tf.reshape(hidden, [-1, config.width]));
  const scaled = temperature === 1 ? z : tf.div<tf.Tensor2D>(z, temperature);
  return tf.reshape(tokenLogProbabilities(scaled, targets), inputs.shape);
}
