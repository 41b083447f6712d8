import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from '../model/with-gradient.ts';

/** All of shape [N], one entry per token; log-probabilities are natural, of the token that was sampled. */
export interface GrpoTokens {
  policy: tf.Tensor1D;
  /** Of the policy that sampled, a constant. Left out where that is `policy` itself, before its first update. */
  sampler?: tf.Tensor1D;
  reference: tf.Tensor1D;
  /** The advantage of the token's completion. */
  advantages: tf.Tensor1D;
  /** 1 / (completion length * number of completions) on completion tokens, 0 elsewhere. */
  weights: tf.Tensor1D;
}

export interface GrpoObjective {
  /** PPO's clip range epsilon. */
  clipRange: number;
  /** Weight beta of the divergence from the reference. */
  klWeight: number;
}

/**
 * The k3 estimator of KL(policy || reference) per token, r - ln r - 1 with r = reference / policy: unbiased and never
 * negative (Schulman 2020, "Approximating KL divergence"; equation 4 of Shao et al. 2024). Shapes [N] -> [N].
 */
export function klEstimate(policy: tf.Tensor1D, reference: tf.Tensor1D): tf.Tensor1D {
  const logRatio = tf.sub(reference, policy);
  return tf.sub(tf.sub(tf.exp(logRatio), logRatio), 1);
}

/**
 * The GRPO loss, minus equation 3 of Shao et al. 2024:
 * sum over tokens of weight * (-min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A) + beta * k3). A scalar.
 */
export function grpoLoss(tokens: GrpoTokens, objective: GrpoObjective): tf.Scalar {
  const { policy, reference, advantages, weights } = tokens;
  const sampler = tokens.sampler ?? stopGradient(policy);
  const ratio = tf.exp(tf.sub(policy, sampler));
  const { clipRange, klWeight } = objective;
  const clipped = tf.clipByValue(ratio, 1 - clipRange, 1 + clipRange);
  const surrogate = tf.minimum(tf.mul(ratio, advantages), tf.mul(clipped, advantages));
  const gain =
    klWeight === 0 ? surrogate : tf.sub(surrogate, tf.mul(klEstimate(policy, reference), klWeight));
  return tf.neg(tf.sum(tf.mul(gain, weights)));
}

/** Identity forward, zero backward; tfjs-core has no such operation. */
function stopGradient(x: tf.Tensor1D): tf.Tensor1D {
  return withGradient<tf.Tensor1D>([x], () => ({
    value: tf.clone(x),
    gradient: (dy) => [tf.zerosLike(dy)],
  }));
}
