import * as tf from '@tensorflow/tfjs-core';
import { randomUniform } from '@trainyard/tensor';
import { type HostTensor, int32 } from '../host-tensor.ts';
import { random } from '../random.ts';

export interface Dropout {
  /** Share of elements set to 0; the rest grow by 1 / (1 - rate) (Srivastava et al. 2014). */
  rate: number;
  /** int32 [2], of this pass: the same pass drops the same elements. */
  seed: tf.Tensor1D;
}

/** x with elements dropped; `site` numbers the places in the model. */
export function drop(x: tf.Tensor2D, site: number, dropout: Dropout | undefined): tf.Tensor2D {
  if (!dropout || dropout.rate === 0) return x;
  const { rate, seed } = dropout;
  const uniform = randomUniform(x.shape, tf.add(seed, tf.tensor1d([0, site], 'int32')));
  const kept = tf.mul(tf.cast(tf.greaterEqual(uniform, rate), 'float32'), 1 / (1 - rate));
  return tf.mul(x, kept);
}

/** The seed of one pass of a run. */
export function dropoutSeed(seed: number, step: number, micro: number): HostTensor {
  const uniform = random(seed, 'dropout', step, micro);
  return int32(Int32Array.from({ length: 2 }, () => Math.floor(uniform() * 2 ** 31)));
}
