import { join } from 'node:path';
import { expect, test } from 'vitest';
import { permute } from '../src/permutation.ts';
import { indexSampler, windowSampler } from '../src/samplers.ts';
import { TokenShard, TokenShardWriter } from '../src/token-shard.ts';
import { temporaryFolder } from './fixtures.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const ascending = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

test.each([1, 2, 3, 16, 255, 256, 257, 5000])('permutes %d items', (count) => {
  const order = numbers(count).map((i) => permute(i, count, 42));
  expect(ascending(order)).toEqual(numbers(count));
  if (count > 3) expect(order).not.toEqual(numbers(count));
});

test('permutes more items than memory would hold', () => {
  const count = 2 ** 40 + 3;
  const places = new Set(numbers(1000).map((i) => permute(i, count, 1)));
  expect(places.size).toBe(1000);
  expect(Math.max(...places)).toBeGreaterThan(2 ** 39);
  expect(Math.max(...places)).toBeLessThan(count);
});

test('where an item goes is spread evenly over keys', () => {
  const counts = new Array<number>(10).fill(0);
  for (let key = 0; key < 10_000; key++) counts[permute(3, 10, key)]!++;
  // Chi squared with 9 degrees of freedom: below 33.7 with probability 0.9999.
  expect(counts.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(33.7);
});

test('each index comes once in an epoch, and epochs differ', () => {
  const sample = indexSampler(25, { batchSize: 5, seed: 7, accumulation: 2 });
  const drawn = numbers(10).flatMap((step) => [...sample(step, 0), ...sample(step, 1)]);
  const epochs = numbers(4).map((epoch) => drawn.slice(epoch * 25, epoch * 25 + 25));
  for (const epoch of epochs) expect(ascending(epoch)).toEqual(numbers(25));
  expect(new Set(epochs.map(String)).size).toBe(4);
  expect(indexSampler(25, { batchSize: 5, seed: 7, accumulation: 2 })(6, 1)).toEqual(sample(6, 1));
  expect(indexSampler(25, { batchSize: 5, seed: 8, accumulation: 2 })(6, 1)).not.toEqual(sample(6, 1));
  expect(() => indexSampler(0, { batchSize: 1, seed: 1 })).toThrow(/empty/);
});

test('each window comes once in an epoch', async () => {
  const path = join(await temporaryFolder(), 'shard');
  const writer = await TokenShardWriter.create(path, 1000);
  await writer.add(Int32Array.from(numbers(103)));
  await writer.finish();
  await writer.close();
  const shard = await TokenShard.open(path);
  const sample = windowSampler(shard, { length: 5, batchSize: 4, seed: 3 });
  const firsts: number[] = [];
  for (let step = 0; step < 10; step++) {
    const batch = sample(step, 0);
    expect(batch).toHaveLength(20);
    for (let row = 0; row < 20; row += 5) {
      const window = [...batch.subarray(row, row + 5)];
      expect(window).toEqual(numbers(5).map((i) => window[0]! + i));
      firsts.push(window[0]!);
    }
  }
  const windows = numbers(20).map((i) => i * 5);
  expect(ascending(firsts.slice(0, 20))).toEqual(windows);
  expect(ascending(firsts.slice(20))).toEqual(windows);
  expect(firsts.slice(0, 20)).not.toEqual(firsts.slice(20));
  expect(() => windowSampler(shard, { length: 104, batchSize: 1, seed: 3 })).toThrow(/fewer than one window/);
  shard.close();
});
