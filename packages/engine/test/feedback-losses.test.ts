import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GrpoTokens } from '../src/stages/grpo-loss.ts';
import { grpoLoss, klEstimate } from '../src/stages/grpo-loss.ts';
import { bradleyTerryLoss, dpoLoss, dpoMargins } from '../src/stages/preference-loss.ts';

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

const value = (scalar: tf.Tensor) => scalar.dataSync()[0]!;
const negativeLogSigmoid = (x: number) => Math.log1p(Math.exp(-x));

describe('preference losses', () => {
  it('Bradley-Terry is the mean of -log sigmoid of the score difference', () => {
    const loss = value(bradleyTerryLoss(tf.tensor1d([2, -1, 0.5]), tf.tensor1d([0.5, 1, 0.5])));
    const expected = (negativeLogSigmoid(1.5) + negativeLogSigmoid(-2) + Math.log(2)) / 3;
    expect(loss).toBeCloseTo(expected, 6);
  });

  it('Bradley-Terry pushes the chosen score up by sigmoid(rejected - chosen) / pairs', () => {
    const [chosen, rejected] = [tf.tensor1d([2, -1]), tf.tensor1d([0.5, 1])];
    const gradient = tf.grads((c, r) => bradleyTerryLoss(c as tf.Tensor1D, r as tf.Tensor1D));
    const [up, down] = gradient([chosen, rejected]).map((tensor) => tensor.dataSync());
    for (const [i, difference] of [1.5, -2].entries()) {
      const expected = -1 / (1 + Math.exp(difference)) / 2;
      expect(up![i]).toBeCloseTo(expected, 6);
      expect(down![i]).toBeCloseTo(-expected, 6);
    }
  });

  it('DPO compares both answers with the reference', () => {
    const policy = { chosen: tf.tensor1d([-10, -4]), rejected: tf.tensor1d([-12, -3]) };
    const reference = { chosen: tf.tensor1d([-11, -4]), rejected: tf.tensor1d([-11, -5]) };
    const margins = dpoMargins(policy, reference, 0.5);
    // 0.5 * ((-10 + 11) - (-12 + 11)) = 1; 0.5 * ((-4 + 4) - (-3 + 5)) = -1
    expect(Array.from(margins.dataSync())).toEqual([1, -1]);
    expect(value(dpoLoss(margins))).toBeCloseTo((negativeLogSigmoid(1) + negativeLogSigmoid(-1)) / 2, 6);
  });
});

const sample = {
  policy: [-1, -0.5, -2, -0.1, -3],
  sampler: [-1.4, -0.5, -1.5, -0.6, -3.05],
  reference: [-1.2, -0.4, -2.5, -0.1, -2],
  advantages: [1, -1, 2, -0.5, -1.5],
  weights: [0.25, 0.25, 0.1, 0, 0.4],
};
const objective = { clipRange: 0.2, klWeight: 0.3 };

function lossByHand(policy: number[], { clipRange, klWeight } = objective): number {
  return policy.reduce((sum, logProbability, i) => {
    const ratio = Math.exp(logProbability - sample.sampler[i]!);
    const clipped = Math.min(Math.max(ratio, 1 - clipRange), 1 + clipRange);
    const advantage = sample.advantages[i]!;
    const difference = sample.reference[i]! - logProbability;
    const divergence = Math.exp(difference) - difference - 1;
    const gain = Math.min(ratio * advantage, clipped * advantage) - klWeight * divergence;
    return sum - sample.weights[i]! * gain;
  }, 0);
}

function tokens(policy: tf.Tensor1D): GrpoTokens {
  return {
    policy,
    sampler: tf.tensor1d(sample.sampler),
    reference: tf.tensor1d(sample.reference),
    advantages: tf.tensor1d(sample.advantages),
    weights: tf.tensor1d(sample.weights),
  };
}

describe('GRPO', () => {
  it('k3 is r - ln r - 1: zero where both agree, never negative', () => {
    const k3 = klEstimate(tf.tensor1d([-1, -2, -2]), tf.tensor1d([-1, -1, -3])).dataSync();
    expect(k3[0]).toBe(0);
    expect(k3[1]).toBeCloseTo(Math.E - 1 - 1, 5);
    expect(k3[2]).toBeCloseTo(Math.exp(-1) + 1 - 1, 5);
  });

  it('loss is the clipped surrogate minus the weighted divergence', () => {
    expect(value(grpoLoss(tokens(tf.tensor1d(sample.policy)), objective))).toBeCloseTo(
      lossByHand(sample.policy),
      5,
    );
  });

  it('gradient agrees with finite differences of the formula, and is zero where clipped', () => {
    const gradient = tf
      .grad((policy) => grpoLoss(tokens(policy as tf.Tensor1D), objective))(tf.tensor1d(sample.policy))
      .dataSync();
    for (const i of sample.policy.keys()) {
      const at = (shift: number) => lossByHand(sample.policy.map((p, j) => (i === j ? p + shift : p)));
      expect(gradient[i]).toBeCloseTo((at(1e-6) - at(-1e-6)) / 2e-6, 4);
    }
    const unregularised = tf
      .grad((policy) => grpoLoss(tokens(policy as tf.Tensor1D), { ...objective, klWeight: 0 }))(
        tf.tensor1d(sample.policy),
      )
      .dataSync();
    expect(unregularised[0]).toBe(0); // ratio 1.49 with a positive advantage
  });

  it('without a separate sampler equals policy gradient: ratio 1, gradient -weight * advantage', () => {
    const { sampler: _, ...onPolicy } = tokens(tf.tensor1d(sample.policy));
    const loss = (policy: tf.Tensor) =>
      grpoLoss({ ...onPolicy, policy: policy as tf.Tensor1D }, { clipRange: 0.2, klWeight: 0 });
    const gradient = tf.grad(loss)(onPolicy.policy).dataSync();
    for (const [i, weight] of sample.weights.entries()) {
      expect(gradient[i]).toBeCloseTo(-weight * sample.advantages[i]!, 6);
    }
  });
});
