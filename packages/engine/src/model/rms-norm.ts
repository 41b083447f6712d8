import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.ts';

/** x / sqrt(mean(x^2) + epsilon) * gain over the last axis (Zhang and Sennrich 2019). x [N,d], gain [d]. */
export function rmsNorm(x: tf.Tensor2D, gain: tf.Tensor, epsilon: number): tf.Tensor2D {
  return withGradient<tf.Tensor2D>([x, gain], (save) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.mul(x, x), -1, true), epsilon)); // [N,1]
    const normalised = tf.mul(x, inverse);
    save([normalised, inverse, gain]);
    return { value: tf.mul(normalised, gain), gradient: rmsNormGradient };
  });
}

function rmsNormGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [normalised, inverse, gain] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const dNormalised = tf.mul(dy, gain);
  const radial = tf.mean(tf.mul(dNormalised, normalised), -1, true); // part along x, which the norm removes
  const dx = tf.mul(inverse, tf.sub(dNormalised, tf.mul(normalised, radial)));
  return [dx, tf.sum(tf.mul(dy, normalised), 0)];
}
