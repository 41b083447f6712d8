import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { crossEntropy, tokenLogProbabilities } from '../src/index.ts';

beforeAll(() => loadBackend({ prefer: 'auto' }));

/** With the identity as head the hidden states are the logits. */
const logProbabilities = (logits: tf.Tensor2D, ...targets: number[]) =>
  tokenLogProbabilities(logits, tf.eye(logits.shape[1]), tf.tensor1d(targets, 'int32'));

describe('cross entropy', () => {
  it('is the weighted mean of -log softmax', () => {
    const value = tf.tidy(() =>
      crossEntropy(
        logProbabilities(
          tf.tensor2d([
            [0, Math.log(3)],
            [0, 0],
            [5, -5],
          ]),
          1,
          0,
          1,
        ),
        tf.tensor1d([1, 3, 0]),
      ).dataSync(),
    );
    expect(value[0]).toBeCloseTo((Math.log(4 / 3) + 3 * Math.LN2) / 4, 6);
  });

  it('of no weight at all is 0, with gradient 0', () => {
    const gradient = tf.tidy(() =>
      tf
        .grad((z) => crossEntropy(logProbabilities(z as tf.Tensor2D, 0), tf.tensor1d([0])))(
          tf.tensor2d([[1, 2]]),
        )
        .dataSync(),
    );
    expect([...gradient].map(Math.abs)).toEqual([0, 0]);
  });

  it('stays exact where softmax underflows', () => {
    const values = tf.tidy(() =>
      logProbabilities(
        tf.tensor2d([
          [0, 500, 500],
          [-300, 0, 100],
        ]),
        0,
        0,
      ).dataSync(),
    );
    expect(values[0]).toBeCloseTo(-500 - Math.LN2, 3);
    expect(values[1]).toBeCloseTo(-400, 3);
  });

  it('has the gradient one-hot minus softmax, scaled per row', () => {
    const gradient = tf.tidy(() =>
      tf
        .grad((z) => tf.sum(tf.mul(logProbabilities(z as tf.Tensor2D, 1, 0), [2, -1])))(
          tf.tensor2d([
            [0, Math.log(3)],
            [0, 0],
          ]),
        )
        .dataSync(),
    );
    const expected = [-0.5, 0.5, -0.5, 0.5];
    gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
  });
});
