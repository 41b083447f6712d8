import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.ts';

/** x / sqrt(mean(x^2) + epsilon) over the last axis (Zhang and Sennrich 2019), its gain left to what follows. x [N,d]. */
export function normalise(x: tf.Tensor2D, epsilon: number): tf.Tensor2D {
  return withGradient<tf.Tensor2D>([x], (save) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.mul(x, x), -1, true), epsilon)); // [N,1]
    const value = tf.mul(x, inverse) as tf.Tensor2D;
    save([value, inverse]);
    return { value, gradient: normaliseGradient };
  });
}

function normaliseGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [normalised, inverse] = saved as [tf.Tensor, tf.Tensor];
  const radial = tf.mean(tf.mul(dy, normalised), -1, true); // part along x, which the norm removes
  return [tf.mul(inverse, tf.sub(dy, tf.mul(normalised, radial)))];
}
