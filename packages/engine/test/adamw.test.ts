import * as tf from '@tensorflow/tfjs-core';
import { createProgram, type Tensors } from '@trainyard/tensor';
import { describe, expect, it } from 'vitest';
import { upload } from '../src/host-tensor.ts';
import { type HostTensors, random, toHost } from '../src/index.ts';
import { adamw, adamwInputs, adamwMoments } from '../src/optim/adamw.ts';
import { EXECUTIONS } from './executions.ts';

const OPTIONS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, gradientClip: 1 };
const RATE = 0.01;
const SHAPES: Record<string, number[]> = { a: [3, 4], gain: [4], b: [2, 4], c: [4, 3], gain2: [4] };
const NAMES = Object.keys(SHAPES);

function fill(stream: string): HostTensors {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => {
      const uniform = random(1, stream, name);
      const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 2 * uniform() - 1);
      return [name, { dtype: 'float32' as const, shape, data }];
    }),
  );
}

describe.each(EXECUTIONS)('AdamW, %s', (execution) => {
  const open = (weights: HostTensors, moments = adamwMoments(weights)) =>
    createProgram(
      {
        update: (state: Tensors, inputs: Tensors) => {
          const gradients = new Map(NAMES.map((name) => [name, inputs[`gradient ${name}`]!]));
          const { state: changed, norm } = adamw(state, gradients, inputs, OPTIONS);
          return { outputs: { norm }, state: changed };
        },
      },
      { ...upload(weights), ...moments },
      execution,
    );
  type Open = ReturnType<typeof open>;

  function update(program: Open, step: number): number {
    const gradients = Object.entries(fill(`gradient ${step}`)).map(([name, value]) => [
      `gradient ${name}`,
      value,
    ]);
    const inputs = upload({ ...Object.fromEntries(gradients), ...adamwInputs(OPTIONS, RATE, step) });
    const { norm } = program.run('update', inputs);
    tf.dispose(inputs);
    const [value] = norm!.dataSync();
    norm!.dispose();
    return value!;
  }

  async function read(program: Open): Promise<HostTensors> {
    const tensors = program.read();
    const host = await toHost(new Map(Object.entries(tensors)));
    tf.dispose(tensors);
    return host;
  }

  it('follows the formula weight by weight, decays matrices alone and clips by the global norm', async () => {
    const program = open(fill('weights'));
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
      expect(update(program, step)).toBeCloseTo(norm, 4);
      for (const [name, { data }] of Object.entries(gradients)) {
        const { m, v } = moments[name]!;
        data.forEach((raw, i) => {
          const g = raw / norm;
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.95 * v[i]! + 0.05 * g * g;
          const change = m[i]! / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.95 ** step)) + 1e-8);
          const decay = SHAPES[name]!.length > 1 ? RATE * 0.1 * expected[name]![i]! : 0;
          expected[name]![i] = expected[name]![i]! - RATE * change - decay;
        });
      }
    }
    const host = await read(program);
    for (const name of NAMES)
      host[name]!.data.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[name]![i]!, 5);
      });
    program.dispose();
  });

  it('goes on from its saved moments with the same bits', async () => {
    const straight = open(fill('weights'));
    for (let step = 1; step <= 2; step++) update(straight, step);
    const { a, gain, b, c, gain2, ...moments } = await read(straight);
    for (let step = 3; step <= 4; step++) update(straight, step);

    const weights = { a: a!, gain: gain!, b: b!, c: c!, gain2: gain2! };
    const resumed = open(weights, adamwMoments(weights, moments));
    for (let step = 3; step <= 4; step++) update(resumed, step);
    expect(await read(resumed)).toEqual(await read(straight));
    straight.dispose();
    resumed.dispose();
  });
});

it('refuses the moments of another model', () => {
  const weights = fill('weights');
  const moments = Object.entries(weights).flatMap(([name, value]) => [
    [`m.${name}`, value],
    [`v.${name}`, value],
  ]);
  const { 'v.c': _, ...incomplete } = Object.fromEntries(moments);
  expect(() => adamwMoments(weights, incomplete)).toThrow(/v\.c of shape \[4,3\]/);
});
