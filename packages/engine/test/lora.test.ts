import * as tf from '@tensorflow/tfjs-core';
import { adapterNames } from '@trainyard/contracts';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, expect, it } from 'vitest';
import type { HostTensors } from '../src/host-tensor.ts';
import { forward } from '../src/model/forward.ts';
import { initParameters, loadParameters, lookup } from '../src/model/parameters.ts';
import {
  adaptedLookup,
  adaptedNames,
  initAdapters,
  type LoraConfig,
  mergeAdapters,
  validateLora,
} from '../src/stages/lora.ts';
import { ask, config } from './toy-chats.ts';

const lora: LoraConfig = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] };
const weights = initParameters(config, 11);
const names = adaptedNames(Object.keys(weights), lora);

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

const hidden = (parameters: (name: string) => tf.Tensor) =>
  tf.tidy(() => forward(parameters, config, tf.tensor2d([...ask(4, 5, 6)], [1, 6], 'int32')).dataSync());

/** Adapters with a B that is not zero, as after training. */
function trained(adapters: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(adapters).map(([name, tensor]) => [
      name,
      { ...tensor, data: tensor.data.map((value, i) => value + 0.1 * Math.sin(i + 1)) as Float32Array },
    ]),
  );
}

it("uses PEFT's names and shapes, for the targeted projections of every layer only", () => {
  const adapters = initAdapters(weights, lora, 1);
  expect(Object.keys(adapters)).toHaveLength(2 * 3 * config.layers);
  const { a, b } = adapterNames('model.layers.1.mlp.down_proj.weight');
  expect(a).toBe('base_model.model.model.layers.1.mlp.down_proj.lora_A.weight');
  expect(b).toBe('base_model.model.model.layers.1.mlp.down_proj.lora_B.weight');
  expect(adapters[a]!.shape).toEqual([4, 48]);
  expect(adapters[b]!.shape).toEqual([32, 4]);
  expect(adaptedNames(Object.keys(weights), { ...lora, targets: ['k_proj'] })).toEqual([
    'model.layers.0.self_attn.k_proj.weight',
    'model.layers.1.self_attn.k_proj.weight',
  ]);
});

it('starts as the base model: A random within 1/sqrt(in), B zero', () => {
  const adapters = initAdapters(weights, lora, 1);
  const { a, b } = adapterNames('model.layers.0.self_attn.q_proj.weight');
  expect(adapters[b]!.data.every((value) => value === 0)).toBe(true);
  const largest = Math.max(...Array.from(adapters[a]!.data, Math.abs));
  expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(32));
  expect(largest).toBeGreaterThan(0.9 / Math.sqrt(32));
  const base = lookup(loadParameters(weights));
  expect(hidden(adaptedLookup(base, lookup(loadParameters(adapters)), names, lora))).toEqual(hidden(base));
});

it('merged weights are W + alpha / rank * B A, and compute what the adapted model computes', async () => {
  const adapters = trained(initAdapters(weights, lora, 1));
  const merged = await mergeAdapters(weights, adapters, lora);
  const name = 'model.layers.1.self_attn.v_proj.weight';
  const [a, b] = [adapters[adapterNames(name).a]!.data, adapters[adapterNames(name).b]!.data];
  const [outputs, inputs] = weights[name]!.shape as [number, number];
  for (const [row, column] of [
    [0, 0],
    [outputs - 1, inputs - 1],
    [3, 17],
  ] as const) {
    let product = 0;
    for (let r = 0; r < 4; r += 1) product += b[row * 4 + r]! * a[r * inputs + column]!;
    const expected = weights[name]!.data[row * inputs + column]! + 2 * product;
    expect(merged[name]!.data[row * inputs + column]).toBeCloseTo(expected, 5);
  }
  const adapted = hidden(
    adaptedLookup(lookup(loadParameters(weights)), lookup(loadParameters(adapters)), names, lora),
  );
  expect(hidden(lookup(loadParameters(merged)))).toEqual(adapted);
  expect(adapted).not.toEqual(hidden(lookup(loadParameters(weights))));
});

it.each([
  [{ rank: 0 }, 'lora.rank'],
  [{ rank: 33 }, 'lora.rank'],
  [{ alpha: 0 }, 'lora.alpha'],
  [{ targets: [] }, 'lora.targets'],
])('refuses %j', (change, param) => {
  expect(() => validateLora({ ...lora, ...change }, weights)).toThrow(
    expect.objectContaining({ code: 'invalid_config', param }),
  );
});
