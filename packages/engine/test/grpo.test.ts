import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { initParameters } from '../src/model/parameters.ts';
import { type GrpoOptions, grpo } from '../src/stages/grpo.ts';
import type { Judge } from '../src/stages/judge.ts';
import { rolloutFromHost, rolloutToHost } from '../src/stages/rollout.ts';
import {
  ask,
  collect,
  config,
  END,
  expectExactResume,
  expectSameTensors,
  goOn,
  optimization,
} from './toy-chats.ts';

const weights = initParameters(config, 1);
const prompts = [4, 5, 6, 7].map((symbol) => ({ tokens: ask(symbol), text: `${symbol}` }));
const decode = (tokens: Int32Array) => Array.from(tokens).join(' ');

/** A bandit: an answer earns the share of its tokens that are 9. */
const nines: Judge = async (batch) =>
  batch.map(({ completions }) =>
    completions.map((text) => {
      const tokens = text.split(' ');
      return tokens.filter((token) => token === '9').length / tokens.length;
    }),
  );

function options(changes: Partial<GrpoOptions> = {}): GrpoOptions {
  return {
    weights,
    config,
    prompts,
    judge: nines,
    decode,
    stopTokens: [END],
    optimization: optimization({ steps: 20, learningRate: 1e-2, weightDecay: 0 }),
    promptsPerStep: 4,
    groupSize: 8,
    updatesPerRollout: 1,
    temperature: 1,
    maxNewTokens: 3,
    clipRange: 0.2,
    klWeight: 0.01,
    control: goOn,
    ...changes,
  };
}

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

describe('GRPO', () => {
  it('raises the reward of a bandit and reports its answers', async () => {
    const { metrics, samples } = await collect(grpo(options()));
    const mean = (part: typeof metrics) =>
      part.reduce((sum, values) => sum + values.reward_mean!, 0) / part.length;
    expect(mean(metrics.slice(0, 3))).toBeLessThan(0.2);
    expect(mean(metrics.slice(-5))).toBeGreaterThan(0.65);
    expect(metrics[0]!.kl).toBeCloseTo(0, 5);
    expect(metrics.at(-1)!.kl).toBeGreaterThan(0.1);
    expect(metrics[0]!.completion_length).toBeLessThanOrEqual(3);
    expect(samples.map(({ step }) => step)).toEqual([1, 11]);
    expect(samples[0]!.samples).toHaveLength(32);
    expect(samples[0]!.samples[8]).toMatchObject({ prompt: samples[0]!.samples[15]!.prompt });
  });

  it('changes nothing where every group agrees', async () => {
    const indifferent: Judge = async (batch) => batch.map(({ completions }) => completions.map(() => 0.7));
    const plan = optimization({ steps: 2, accumulation: 2, weightDecay: 0 });
    const { state, metrics } = await collect(grpo(options({ judge: indifferent, optimization: plan })));
    expect(metrics[1]).toMatchObject({ loss: 0, gradient_norm: 0, informative_groups: 0, kl: 0 });
    expect(metrics[1]!.reward_mean).toBeCloseTo(0.7, 9);
    expectSameTensors(state.weights, weights);
  });

  it('the gradient does not depend on how a step is split into micro batches', async () => {
    const after = async (accumulation: number) => {
      const plan = optimization({ steps: 1, accumulation, warmupSteps: 0 });
      return (await collect(grpo(options({ optimization: plan })))).metrics[0]!;
    };
    const [whole, split] = [await after(1), await after(3)];
    expect(split.gradient_norm).toBeCloseTo(whole.gradient_norm!, 4);
    expect(split.loss).toBeCloseTo(whole.loss!, 5);
  });

  it('resumes to the last bit between rollouts', async () => {
    const plan = optimization({ steps: 4, accumulation: 2 });
    await expectExactResume((run) => grpo({ ...options({ optimization: plan }), ...run }), 2);
  });

  it('resumes to the last bit between two updates on one rollout', async () => {
    const plan = optimization({ steps: 6, learningRate: 1e-2 });
    const several = options({ optimization: plan, updatesPerRollout: 3, temperature: 0.8 });
    await expectExactResume((run) => grpo({ ...several, ...run }), 4);
  });

  it('refuses what cannot be trained on', async () => {
    const cases: [Partial<GrpoOptions>, string][] = [
      [{ groupSize: 1 }, 'invalid_config'],
      [{ temperature: 0 }, 'invalid_config'],
      [{ prompts: [] }, 'invalid_data'],
      [{ maxNewTokens: 14 }, 'invalid_data'],
      [{ judge: async () => [[Number.NaN]] }, 'internal'],
    ];
    for (const [change, code] of cases) {
      await expect(collect(grpo(options(change))), JSON.stringify(change)).rejects.toMatchObject({ code });
    }
  });
});

it('a rollout survives being stored', () => {
  const rows = [
    {
      tokens: Int32Array.of(1, 2, 3, 4),
      promptLength: 2,
      advantage: 0.5,
      reference: Float32Array.of(-1, -2),
      sampler: Float32Array.of(-3, -4),
    },
    {
      tokens: Int32Array.of(5, 6),
      promptLength: 1,
      advantage: -1.5,
      reference: Float32Array.of(-5),
      sampler: Float32Array.of(-6),
    },
  ];
  expect(rolloutFromHost(rolloutToHost(rows))).toEqual(rows);
  expect(rolloutFromHost(rolloutToHost([]))).toEqual([]);
  expect(() => rolloutFromHost({})).toThrow(/updatesPerRollout/);
});
