import * as tf from '@tensorflow/tfjs-core';
import { after } from '@trainyard/tensor';
import { withGradient } from './with-gradient.ts';

/**
 * (normalised * gain) times the transpose of `weight`: [N,in], [in], [out,in] -> [N,out]. What is multiplied is computed
 * again for the gradient rather than kept.
 */
export function scaledLinear(normalised: tf.Tensor2D, gain: tf.Tensor, weight: tf.Tensor): tf.Tensor2D {
  return withGradient<tf.Tensor2D>([normalised, gain, weight], (save) => {
    save([normalised, gain, weight]);
    const input = tf.mul(normalised, gain) as tf.Tensor2D;
    return { value: tf.matMul(input, weight as tf.Tensor2D, false, true), gradient: scaledLinearGradient };
  });
}

function scaledLinearGradient(dy: tf.Tensor2D, saved: tf.Tensor[]): tf.Tensor[] {
  const [normalised, gain, weight] = saved as [tf.Tensor2D, tf.Tensor, tf.Tensor2D];
  const dInput = tf.matMul(dy, weight);
  const input = tf.mul(after(normalised, dy), gain) as tf.Tensor2D;
  return [tf.mul(dInput, gain), tf.sum(tf.mul(dInput, normalised), 0), tf.matMul(dy, input, true, false)];
}
