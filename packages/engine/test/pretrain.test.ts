import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { Tokenizer } from '@trainyard/tokenizer';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Control,
  type ModelConfig,
  type Objective,
  type PretrainOptions,
  pretrain,
  random,
  type TrainingEvent,
  type TrainingState,
} from '../src/index.ts';
import { tinyConfig } from './tiny-config.ts';

beforeAll(() => loadBackend({ prefer: 'auto' }));

const vocabulary = Tokenizer.fromMerges(new Int32Array(), 64);
const config = (objective: Objective): ModelConfig =>
  tinyConfig({ vocabSize: 266, layers: 1, attention: objective === 'masked' ? 'bidirectional' : 'causal' });

/** Text in which each letter is followed by its successor in the alphabet. */
function sample(step: number, micro: number): Int32Array {
  const uniform = random(1, 'text', step, micro);
  return Int32Array.from({ length: 4 * 17 }, (_, i) =>
    i % 17 === 9 ? 0 : 10 + 97 + ((i + Math.floor(4 * uniform())) % 26),
  );
}

function options(objective: Objective, changes: Partial<PretrainOptions> = {}, dropout = 0): PretrainOptions {
  return {
    config: config(objective),
    objective,
    maskingRate: 0.15,
    fimRate: 0.5,
    sample,
    vocabulary,
    optimization: {
      steps: 6,
      batchSize: 4,
      accumulation: 2,
      learningRate: 3e-3,
      schedule: 'cosine',
      warmupSteps: 2,
      minLearningRateRatio: 0.1,
      weightDecay: 0.1,
      beta1: 0.9,
      beta2: 0.95,
      gradientClip: 1,
      dropout,
      seed: 9,
    },
    control: () => 'continue',
    ...changes,
  };
}

async function run(settings: PretrainOptions): Promise<{ events: TrainingEvent[]; states: TrainingState[] }> {
  const events: TrainingEvent[] = [];
  for await (const event of pretrain(settings)) events.push(event);
  const states = events.flatMap((event) => (event.type === 'checkpoint' ? [event.state] : []));
  return { events, states };
}

const metrics = (events: TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'metrics' ? [{ step: event.step, ...event.values }] : []));

describe('pretrain', () => {
  it.each([
    ['next_word', 0],
    ['masked', 0],
    ['fill_in_the_middle', 0],
    ['next_word', 0.2],
  ] as [Objective, number][])(
    '%s with dropout %d: stopped and resumed ends with the same bits',
    async (objective, dropout) => {
      const straight = await run(options(objective, {}, dropout));
      const stop: Control = (step) => (step === 3 ? 'checkpoint_and_stop' : 'continue');
      const first = await run(options(objective, { control: stop }, dropout));
      expect(first.states.map(({ step }) => step)).toEqual([3]);
      const second = await run(options(objective, { resume: first.states[0]! }, dropout));
      expect(second.states.at(-1)).toEqual(straight.states.at(-1));
      expect(metrics([...first.events, ...second.events])).toEqual(metrics(straight.events));
      expect(straight.events.at(-1)).toMatchObject({ type: 'checkpoint', step: 6, final: true });
    },
  );

  it('is the same twice, another with another seed, and changes every weight', async () => {
    const once = await run(options('next_word'));
    const twice = await run(options('next_word'));
    expect(twice.events).toEqual(once.events);
    const settings = options('next_word');
    const other = await run({ ...settings, optimization: { ...settings.optimization, seed: 10 } });
    expect(other.states[0]!.weights).not.toEqual(once.states[0]!.weights);
    const { states } = await run({ ...settings, control: () => 'checkpoint' });
    for (const [name, { data }] of Object.entries(states[0]!.weights))
      expect(data, name).not.toEqual(states[1]!.weights[name]!.data);
  });

  it('averages the micro batches: two halves train as one whole', async () => {
    const settings = options('next_word');
    const optimization = { ...settings.optimization, steps: 2 };
    const halves = await run({ ...settings, optimization });
    const joined = (step: number) => Int32Array.of(...sample(step, 0), ...sample(step, 1));
    const whole = await run({
      ...settings,
      optimization: { ...optimization, batchSize: 8, accumulation: 1 },
      sample: joined,
    });
    const [a, b] = [metrics(halves.events), metrics(whole.events)];
    a.forEach((values, i) => {
      for (const name of ['loss', 'gradient_norm'] as const)
        expect((values as Record<string, number>)[name]).toBeCloseTo(
          (b[i] as unknown as Record<string, number>)[name]!,
          4,
        );
    });
  });

  it.each(['next_word', 'masked', 'fill_in_the_middle'] as const)(
    '%s: the loss falls and no tensor is left',
    async (objective) => {
      const before = tf.memory().numTensors;
      const settings = options(objective);
      const counts: number[] = [];
      const losses: number[] = [];
      for await (const event of pretrain({
        ...settings,
        optimization: { ...settings.optimization, steps: 40, learningRate: 1e-2 },
      }))
        if (event.type === 'metrics') {
          counts.push(tf.memory().numTensors);
          losses.push(event.values.loss!);
        }
      expect(losses[0]).toBeGreaterThan(5);
      expect(losses.at(-1)).toBeLessThan(objective === 'next_word' ? 3.2 : 4);
      expect(new Set(counts).size).toBe(1);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it('refuses an objective that the attention does not fit', async () => {
    const wrong = { ...options('masked'), config: config('next_word') };
    await expect(run(wrong)).rejects.toMatchObject({ code: 'invalid_config', param: 'objective' });
  });

  it('stops before a checkpoint when the loss is not finite', async () => {
    const settings = options('next_word', { control: () => 'checkpoint' });
    const optimization = { ...settings.optimization, learningRate: 1e30, gradientClip: 0, warmupSteps: 0 };
    const events: TrainingEvent[] = [];
    const training = async () => {
      for await (const event of pretrain({ ...settings, optimization })) events.push(event);
    };
    await expect(training()).rejects.toThrow(/not finite at step \d/);
    for (const event of events)
      if (event.type === 'metrics') expect(Number.isFinite(event.values.loss)).toBe(true);
  });

  it('passes over a step that it is told to skip, and counts no update for it', async () => {
    const settings = options('next_word', { control: () => 'checkpoint' });
    const skippedSteps = new Set([1]);
    const skipping = await run({ ...settings, optimization: { ...settings.optimization, skippedSteps } });
    const plain = await run(settings);
    expect(metrics(skipping.events)[1]).toEqual({ step: 2, skipped: 1 });
    const [one, two, three] = skipping.states;
    expect(one).toEqual(plain.states[0]);
    expect(two).toEqual({ ...one, step: 2 });
    expect(three!.weights).not.toEqual(plain.states[2]!.weights);
    expect(three!.counters).toEqual({ adamw_step: 2 });
  });
});
