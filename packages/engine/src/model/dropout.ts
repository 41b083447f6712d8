import * as tf from '@tensorflow/tfjs-core';
import { random } from '../random.ts';

export interface Dropout {
  /** Share of elements set to 0; the rest grow by 1 / (1 - rate) (Srivastava et al. 2014). */
  rate: number;
  seed: number;
  /** What tells this pass from others, as (step, micro): the same pass drops the same elements. */
  pass: (number | string)[];
}

/** x with elements dropped; `site` names the place in the model. */
export function drop(x: tf.Tensor2D, site: string, dropout: Dropout | undefined): tf.Tensor2D {
  if (!dropout || dropout.rate === 0) return x;
  const { rate, seed, pass } = dropout;
  const uniform = random(seed, 'dropout', ...pass, site);
  const kept = Float32Array.from({ length: x.size }, () => (uniform() < rate ? 0 : 1 / (1 - rate)));
  return tf.mul(x, tf.tensor2d(kept, x.shape));
}
