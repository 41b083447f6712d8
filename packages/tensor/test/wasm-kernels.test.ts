import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadBackend, tensorCount } from '../src/index.ts';

beforeAll(async () => {
  await loadBackend({ prefer: 'wasm' });
});

type Matrix = number[][];

/** Distinct small integers, so that sums are exact in float32. */
const matrix = (rows: number, columns: number, seed: number): Matrix =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => ((i * 7 + j * 3 + seed) % 11) - 5),
  );

const transposed = (x: Matrix): Matrix => x[0]!.map((_, j) => x.map((row) => row[j]!));

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));

const cases = [1, 7, 8, 19].flatMap((m) =>
  [
    [1, 1],
    [3, 3],
    [1, 3],
    [3, 1],
  ].flatMap(([batchA, batchB]) =>
    [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ].map(([transposeA, transposeB]) => ({
      m,
      batchA: batchA!,
      batchB: batchB!,
      transposeA: transposeA!,
      transposeB: transposeB!,
    })),
  ),
);

describe('BatchMatMul', () => {
  test.each(cases)('M $m, batches $batchA and $batchB, transposed $transposeA and $transposeB', (options) => {
    const { m, batchA, batchB, transposeA, transposeB } = options;
    const [k, n] = [13, 5];
    const as = Array.from({ length: batchA }, (_, i) => matrix(m, k, i));
    const bs = Array.from({ length: batchB }, (_, i) => matrix(k, n, 50 + i));
    const expected = Array.from({ length: Math.max(batchA, batchB) }, (_, i) =>
      product(as[batchA === 1 ? 0 : i]!, bs[batchB === 1 ? 0 : i]!),
    );
    const before = tensorCount();
    const actual = tf.tidy(() => {
      const a = tf.tensor3d(transposeA ? as.map(transposed) : as);
      const b = tf.tensor3d(transposeB ? bs.map(transposed) : bs);
      tf.matMul(a, b, transposeA, transposeB);
      return tf.matMul(a, b, transposeA, transposeB).arraySync();
    });
    expect(actual).toEqual(expected);
    expect(tensorCount()).toBe(before);
  });

  test('keeps two batch dimensions', () => {
    const blocks = [0, 1, 2, 3, 4, 5].map((i) => [matrix(9, 4, i), matrix(9, 4, i + 20)] as const);
    const actual = tf.tidy(() => {
      const a = tf.reshape(tf.tensor3d(blocks.map(([left]) => left)), [2, 3, 9, 4]);
      const b = tf.reshape(tf.tensor3d(blocks.map(([, right]) => right)), [2, 3, 9, 4]);
      const y = tf.matMul(a, b, false, true);
      expect(y.shape).toEqual([2, 3, 9, 9]);
      return tf.reshape(y, [6, 9, 9]).arraySync();
    });
    expect(actual).toEqual(blocks.map(([left, right]) => product(left, transposed(right))));
  });

  test('does not take a product for an earlier one of the same shape', () => {
    for (const seed of [1, 2, 3]) {
      const [left, right] = [matrix(16, 6, seed), matrix(6, 6, seed * 4)];
      const actual = tf.tidy(() =>
        tf.matMul(tf.tensor3d([left, left]), tf.tensor3d([right, right])).arraySync(),
      );
      expect(actual).toEqual([product(left, right), product(left, right)]);
    }
  });
});

describe('UnsortedSegmentSum', () => {
  test('adds rows by segment, leaves empty segments 0 and drops negative ids', () => {
    const sums = tf.tidy(() => {
      const x = tf.tensor2d([1, 10, 2, 20, 3, 30, 4, 40], [4, 2]);
      return tf.unsortedSegmentSum(x, tf.tensor1d([2, 0, 2, -1], 'int32'), 4).arraySync();
    });
    expect(sums).toEqual([
      [2, 20],
      [0, 0],
      [4, 40],
      [0, 0],
    ]);
  });

  test('takes vectors and integers', () => {
    const sums = tf.tidy(() =>
      tf.unsortedSegmentSum(tf.tensor1d([5, 6, 7], 'int32'), tf.tensor1d([1, 1, 0], 'int32'), 2).arraySync(),
    );
    expect(sums).toEqual([7, 11]);
  });
});
