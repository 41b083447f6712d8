import * as tf from '@tensorflow/tfjs-core';
import type { Tensors } from '@trainyard/tensor';
import { float32, type HostTensor, int32 } from '../host-tensor.ts';
import { tokenLogProbabilities } from '../model/cross-entropy.ts';
import { forward, head } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { ParameterLookup } from '../model/parameters.ts';
import { type ChatExample, packRow } from './chat-batch.ts';
import { paddedLength } from './padded-length.ts';

/**
 * Examples one a row, padded on the right: causal attention keeps the padding out of sight. `inputs` int32 [B,T],
 * `targets` int32 [B*T] the inputs shifted by one, `weights` [B,T] 1 where a target is to be learnt.
 */
export type TargetBatch = Record<'inputs' | 'targets' | 'weights', HostTensor>;

/** `rows` examples' worth, the missing ones being padding. */
export function targetBatch(
  examples: readonly ChatExample[],
  contextLength: number,
  rows = examples.length,
): TargetBatch {
  const longest = Math.max(1, ...examples.map(({ tokens }) => tokens.length - 1));
  const length = paddedLength(longest, contextLength);
  const size = rows * length;
  const [inputs, targets, weights] = [new Int32Array(size), new Int32Array(size), new Float32Array(size)];
  for (const [i, example] of examples.entries()) {
    const row = packRow([example], length);
    inputs.set(row.inputs, i * length);
    targets.set(row.targets, i * length);
    weights.set(row.weights, i * length);
  }
  return {
    inputs: int32(inputs, [rows, length]),
    targets: int32(targets),
    weights: float32(weights, [rows, length]),
  };
}

/** Log-probability [B,T] of every target, padding included, under the model at a sampling temperature. */
export function targetLogProbabilities(
  params: ParameterLookup,
  config: ModelConfig,
  { inputs, targets }: Tensors,
  temperature = 1,
): tf.Tensor2D {
  const hidden = forward(params, config, inputs as tf.Tensor2D);
  const rows = tf.reshape(hidden, [-1, config.width]) as tf.Tensor2D;
  const scaled = temperature === 1 ? rows : tf.div<tf.Tensor2D>(rows, temperature); // and so the logits
  const all = tokenLogProbabilities(scaled, head(params, config), targets as tf.Tensor1D);
  return tf.reshape(all, inputs!.shape as [number, number]);
}
