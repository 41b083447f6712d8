import * as tf from '@tensorflow/tfjs-core';
import { softmaxCrossEntropy } from '@trainyard/tensor';
import { withGradient } from './with-gradient.ts';

/**
 * Log-probability of each target under softmax(hidden head^T): hidden [N,d], head [V,d], targets int32 [N] -> [N].
 * Differentiable in hidden and head; the gradient scales the rows of what is [N,d] rather than of what is [N,V].
 */
export function tokenLogProbabilities(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  targets: tf.Tensor1D,
): tf.Tensor1D {
  return withGradient<tf.Tensor1D>([hidden, head], (save) => {
    const { loss, gradient } = softmaxCrossEntropy(tf.matMul(hidden, head, false, true), targets);
    save([gradient, hidden, head]);
    return { value: tf.neg(loss), gradient: headGradient };
  });
}

function headGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [slope, hidden, head] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const scale = tf.reshape(tf.neg(dy), [-1, 1]);
  return [tf.mul(tf.matMul(slope, head), scale), tf.matMul(slope, tf.mul(hidden, scale), true, false)];
}

/**
 * Weighted mean negative log-likelihood in nats: -sum(weights * logProbabilities) / max(sum(weights), 1), both [N].
 */
export function crossEntropy(logProbabilities: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  const normalised = tf.div(weights, tf.neg(tf.maximum(tf.sum(weights), 1)));
  return tf.sum(tf.mul(logProbabilities, normalised));
}
