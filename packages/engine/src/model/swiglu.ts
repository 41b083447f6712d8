import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.ts';

/** silu(gate) * up, elementwise (Shazeer 2020). */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return withGradient<tf.Tensor2D>([gate, up], (save) => {
    const sigmoid = tf.sigmoid(gate);
    const silu = tf.mul(gate, sigmoid);
    save([sigmoid, silu, up]);
    return { value: tf.mul(silu, up), gradient: swigluGradient };
  });
}

function swigluGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [sigmoid, silu, up] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const slope = tf.add(sigmoid, tf.sub(silu, tf.mul(silu, sigmoid))); // d silu / d gate
  return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
}
