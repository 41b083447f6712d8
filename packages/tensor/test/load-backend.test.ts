import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { deviceMemory, loadBackend, tensorCount } from '../src/index.ts';

test('holds one backend, which the CommonJS instance of tfjs-core sees too', async () => {
  const first = await loadBackend({ prefer: 'cpu' });
  expect(await loadBackend()).toBe(first);
  await expect(loadBackend({ prefer: 'wasm' })).rejects.toMatchObject({ code: 'conflict', param: 'backend' });
  const commonJs = createRequire(import.meta.url)('@tensorflow/tfjs-core');
  expect(commonJs.engine()).toBe(tf.engine());
  expect(commonJs.Tensor).toBe(tf.Tensor);
  expect(commonJs.getBackend()).toBe('cpu');
});

test('counts tensors and their bytes', async () => {
  await loadBackend({ prefer: 'cpu' });
  const before = { count: tensorCount(), bytes: deviceMemory().tensorBytes };
  const x = tf.zeros([3, 5]);
  expect(tensorCount()).toBe(before.count + 1);
  expect(deviceMemory().tensorBytes).toBe(before.bytes + 3 * 5 * 4);
  x.dispose();
  expect(tensorCount()).toBe(before.count);
  const { residentBytes, peakResidentBytes } = deviceMemory();
  expect(residentBytes).toBeGreaterThan(10 * 2 ** 20);
  expect(peakResidentBytes).toBeLessThan(2 ** 40);
});
