import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { disposeParameters, type HostTensors, loadParameters, random, toHost } from '../src/index.ts';
import { adamwFromHost, adamwToHost, adamwUpdate, disposeAdamW, initAdamW } from '../src/optim/adamw.ts';

beforeAll(() => loadBackend({ prefer: 'auto' }));

const OPTIONS = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  gradientClip: 1,
};
const SHAPES: Record<string, number[]> = { a: [3, 4], gain: [4], b: [2, 4], c: [4, 3], gain2: [4] };

function fill(stream: string): HostTensors {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => {
      const uniform = random(1, stream, name);
      const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 2 * uniform() - 1);
      return [name, { dtype: 'float32' as const, shape, data }];
    }),
  );
}

function update(
  parameters: ReturnType<typeof loadParameters>,
  state: ReturnType<typeof initAdamW>,
  step: number,
): number {
  return tf.tidy(() => {
    const gradients = new Map(
      Object.entries(fill(`gradient ${step}`)).map(([name, { data, shape }]) => [
        name,
        tf.tensor(data, shape),
      ]),
    );
    return adamwUpdate(parameters, gradients, state, OPTIONS).dataSync()[0]!;
  });
}

describe('AdamW', () => {
  it('follows the formula weight by weight, decays matrices alone and clips by the global norm', async () => {
    const parameters = loadParameters(fill('weights'));
    const state = initAdamW(parameters);
    const expected = Object.fromEntries(
      Object.entries(fill('weights')).map(([name, { data }]) => [name, Float64Array.from(data)]),
    );
    const moments = Object.fromEntries(
      Object.entries(expected).map(([name, { length }]) => [
        name,
        { m: new Float64Array(length), v: new Float64Array(length) },
      ]),
    );
    for (let step = 1; step <= 3; step++) {
      const gradients = fill(`gradient ${step}`);
      const all = Object.values(gradients).flatMap(({ data }) => [...data]);
      const norm = Math.sqrt(all.reduce((sum, g) => sum + g * g, 0));
      expect(norm).toBeGreaterThan(1);
      expect(update(parameters, state, step)).toBeCloseTo(norm, 4);
      for (const [name, { data }] of Object.entries(gradients)) {
        const { m, v } = moments[name]!;
        data.forEach((raw, i) => {
          const g = raw / norm;
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.95 * v[i]! + 0.05 * g * g;
          const change = m[i]! / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.95 ** step)) + 1e-8);
          const decay = SHAPES[name]!.length > 1 ? 0.01 * 0.1 * expected[name]![i]! : 0;
          expected[name]![i] = expected[name]![i]! - 0.01 * change - decay;
        });
      }
    }
    for (const [name, { data }] of Object.entries(await toHost(parameters)))
      data.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[name]![i]!, 5);
      });
    disposeAdamW(state);
    disposeParameters(parameters);
  });

  it('goes on from its saved moments with the same bits', async () => {
    const straight = loadParameters(fill('weights'));
    const state = initAdamW(straight);
    for (let step = 0; step < 2; step++) update(straight, state, step);
    const saved = { weights: await toHost(straight), moments: await adamwToHost(state) };
    for (let step = 2; step < 4; step++) update(straight, state, step);

    const resumed = loadParameters(saved.weights);
    const restored = adamwFromHost(resumed, saved.moments, 2);
    for (let step = 2; step < 4; step++) update(resumed, restored, step);
    expect(await toHost(resumed)).toEqual(await toHost(straight));
    expect(await adamwToHost(restored)).toEqual(await adamwToHost(state));
    expect(restored.step).toBe(4);
    disposeAdamW(state);
    disposeAdamW(restored);
    disposeParameters(straight);
    disposeParameters(resumed);
  });

  it('refuses the moments of another model', async () => {
    const parameters = loadParameters(fill('weights'));
    const state = initAdamW(parameters);
    const { 'v.c': _, ...incomplete } = await adamwToHost(state);
    expect(() => adamwFromHost(parameters, incomplete, 1)).toThrow(/v\.c of shape \[4,3\]/);
    disposeAdamW(state);
    disposeParameters(parameters);
  });
});
