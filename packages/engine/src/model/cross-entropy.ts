import * as tf from '@tensorflow/tfjs-core';
import { softmaxCrossEntropy } from '@trainyard/tensor';
import { withGradient } from './with-gradient.ts';

/** Log-probability of each target: logits [N,V], targets int32 [N] -> [N]. Differentiable in the logits. */
export function tokenLogProbabilities(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  return withGradient<tf.Tensor1D>([logits], (save) => {
    const { loss, gradient } = softmaxCrossEntropy(logits, targets);
    save([gradient]);
    return {
      value: tf.neg(loss),
      gradient: (dy, [slope]) => [tf.mul(slope!, tf.reshape(tf.neg(dy), [-1, 1]))],
    };
  });
}

/**
 * Weighted mean negative log-likelihood in nats: sum(weights * nll) / max(sum(weights), 1).
 * logits [N,V], targets int32 [N], weights float32 [N].
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  const normalised = tf.div(weights, tf.neg(tf.maximum(tf.sum(weights), 1)));
  return tf.sum(tf.mul(tokenLogProbabilities(logits, targets), normalised));
}
