import * as tf from '@tensorflow/tfjs-core';

/**
 * Bradley-Terry loss, mean of -log sigmoid(chosen - rejected) over pairs (Bradley & Terry 1952; Ouyang et al. 2022,
 * equation 1). Scores are of shape [B]; a scalar.
 */
export function bradleyTerryLoss(chosen: tf.Tensor1D, rejected: tf.Tensor1D): tf.Scalar {
  return tf.mean(tf.softplus(tf.sub(rejected, chosen)));
}

/** Log-probabilities of whole answers under one model, [B] each. */
export interface PairLogProbabilities {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
}

/** beta * ((chosen - its reference) - (rejected - its reference)), [B]: DPO's implicit reward margin. */
export function dpoMargins(
  policy: PairLogProbabilities,
  reference: PairLogProbabilities,
  beta: number,
): tf.Tensor1D {
  const chosen = tf.sub(policy.chosen, reference.chosen);
  const rejected = tf.sub(policy.rejected, reference.rejected);
  return tf.mul(tf.sub(chosen, rejected), beta);
}

/** DPO loss, mean of -log sigmoid(margin) (Rafailov et al. 2023, equation 7); a scalar. */
export function dpoLoss(margins: tf.Tensor1D): tf.Scalar {
  return tf.mean(tf.softplus(tf.neg(margins)));
}
