import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.ts';

/** Log-probability of each target: logits [N,V], targets int32 [N] -> [N]. Differentiable in the logits. */
export function tokenLogProbabilities(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  const [rows, vocabulary] = logits.shape;
  return withGradient<tf.Tensor1D>([logits], (save) => {
    const probabilities = tf.softmax(logits);
    save([probabilities, targets]);
    const flatIndex = tf.add(targets, tf.range(0, rows * vocabulary, vocabulary, 'int32')) as tf.Tensor1D;
    const chosen = tf.gather(tf.reshape(logits, [rows * vocabulary]), flatIndex);
    // log p = (z - z_max) + log p_max: p_max >= 1/V, so nothing underflows.
    const value = tf.add(tf.sub(chosen, tf.max(logits, -1)), tf.log(tf.max(probabilities, -1)));
    return {
      value: value as tf.Tensor1D,
      gradient: (dy, [p, ids]) => {
        // Cast, as the wasm kernel knows integers only.
        const oneHot = tf.cast(tf.oneHot(ids as tf.Tensor1D, vocabulary), 'float32');
        return [tf.mul(tf.sub(oneHot, p!), tf.reshape(dy, [rows, 1]))];
      },
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
