import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  disposeParameters,
  generate,
  loadParameters,
  predictMasked,
  predictNext,
  type Parameters as Weights,
} from '../src/index.ts';
import { EXECUTIONS } from './executions.ts';
import { doubles, referenceLogits, referenceLogProbability } from './reference-model.ts';
import { randomTokens, strongWeights, tinyConfig } from './tiny-config.ts';

const config = tinyConfig({ contextLength: 24 });
const host = strongWeights(config, 21);
let params: Weights;
beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
  params = loadParameters(host);
});
afterAll(() => disposeParameters(params));

const prompts = [3, 7, 5, 1].map((length) => randomTokens(length, config, `prompt ${length}`));

type GenerateOptions = Parameters<typeof generate>[0];

describe.each(EXECUTIONS)('generate, %s', (execution) => {
  const options = (changes: Partial<GenerateOptions> = {}): GenerateOptions => ({
    params,
    config,
    prompts,
    maxNewTokens: 12,
    temperature: 1,
    stopTokens: [],
    seed: 4,
    execution,
    ...changes,
  });

  it('with temperature 0 takes what the plain transformer ranks first, its log-probability included', async () => {
    const before = tf.memory().numTensors;
    const completions = await generate(options({ temperature: 0 }));
    expect(tf.memory().numTensors).toBe(before);
    completions.forEach(({ tokens, logProbabilities, stopped }, i) => {
      expect(tokens).toHaveLength(12);
      expect(stopped).toBe(false);
      const whole = [...prompts[i]!, ...tokens];
      const scores = referenceLogits(doubles(host), config, whole);
      tokens.forEach((token, n) => {
        const row = scores[prompts[i]!.length + n - 1]!;
        expect(row[token]).toBeGreaterThan(Math.max(...row) - 1e-4);
        expect(logProbabilities[n]).toBeCloseTo(referenceLogProbability(row, token), 4);
      });
    });
  });

  it('samples for a prompt in a batch what it samples without the others after it', async () => {
    const batch = await generate(options());
    const [alone] = await generate(options({ prompts: prompts.slice(0, 1) }));
    expect(batch[0]!.tokens).toEqual(alone!.tokens);
    const two = await generate(options({ prompts: prompts.slice(0, 2) }));
    expect(batch[1]!.tokens).toEqual(two[1]!.tokens);
    expect(new Set(batch.map(({ tokens }) => tokens.join())).size).toBe(4);
    expect((await generate(options({ seed: 5 })))[0]!.tokens).not.toEqual(batch[0]!.tokens);
  });

  it('stops each sequence at its stop token and goes on with the others unchanged', async () => {
    const free = await generate(options());
    const stop = free[0]!.tokens[2]!;
    const seen: number[][] = prompts.map(() => []);
    const cut = await generate(options({ stopTokens: [stop], onToken: (i, token) => seen[i]!.push(token) }));
    cut.forEach(({ tokens, stopped, logProbabilities }, i) => {
      const end = free[i]!.tokens.indexOf(stop);
      expect(tokens).toEqual(end < 0 ? free[i]!.tokens : free[i]!.tokens.slice(0, end + 1));
      expect(stopped).toBe(end >= 0);
      expect(logProbabilities).toHaveLength(tokens.length);
      expect(seen[i]).toEqual([...tokens]);
    });
    expect(cut[0]!.stopped).toBe(true);
  });

  it('draws by the distribution of the model, sharpened, cut to topK and topP', async () => {
    const [prompt] = prompts;
    const row = referenceLogits(doubles(host), config, prompt!).at(-1)!;
    const many = Array.from({ length: 1500 }, () => prompt!);
    const share = async (changes: Partial<GenerateOptions>) => {
      const drawn = await generate(options({ prompts: many, maxNewTokens: 1, ...changes }));
      const counts = new Array<number>(config.vocabSize).fill(0);
      for (const { tokens } of drawn) counts[tokens[0]!]! += 1 / many.length;
      return counts;
    };
    const ranks = [...row.keys()].sort((a, b) => row[b]! - row[a]!);
    const expected = (temperature: number, kept: number[]) => {
      const powers = row.map((score, i) => (kept.includes(i) ? Math.exp(score / temperature) : 0));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((power) => power / sum);
    };
    const close = (actual: number[], wanted: number[]) =>
      wanted.forEach((probability, i) => {
        const error = 4 * Math.sqrt((probability * (1 - probability)) / many.length);
        expect(Math.abs(actual[i]! - probability), `token ${i}`).toBeLessThanOrEqual(error + 1e-9);
      });
    close(await share({}), expected(1, ranks));
    close(await share({ temperature: 2, topK: 3 }), expected(2, ranks.slice(0, 3)));
    const all = expected(1, ranks);
    const nucleus =
      ranks.findIndex((_, n) => ranks.slice(0, n + 1).reduce((sum, i) => sum + all[i]!, 0) >= 0.6) + 1;
    close(await share({ topP: 0.6 }), expected(1, ranks.slice(0, nucleus)));
  });

  it.each([
    ['too long', { maxNewTokens: 18 }, /7 tokens and 18 new ones exceed the context of 24/],
    ['an empty prompt', { prompts: [new Int32Array()] }, /empty/],
    ['a negative temperature', { temperature: -1 }, /temperature is -1/],
    [
      'a bidirectional model',
      { config: { ...config, attention: 'bidirectional' as const } },
      /cannot generate/,
    ],
  ])('refuses %s', async (_, changes, message) => {
    await expect(generate(options(changes))).rejects.toThrow(message);
  });

  it('ends when aborted and leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const onToken = () => controller.abort(new Error('client left'));
    await expect(generate(options({ onToken, signal: controller.signal }))).rejects.toThrow('client left');
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('predict', () => {
  const softmax = (row: number[]) => row.map((_, token) => Math.exp(referenceLogProbability(row, token)));

  it('ranks the next token', async () => {
    const tokens = prompts[1]!;
    const expected = softmax(referenceLogits(doubles(host), config, tokens).at(-1)!);
    const candidates = await predictNext(params, config, tokens, 5);
    const ranks = [...expected.keys()].sort((a, b) => expected[b]! - expected[a]!);
    expect(candidates.map(({ token }) => token)).toEqual(ranks.slice(0, 5));
    candidates.forEach(({ token, probability }) => {
      expect(probability).toBeCloseTo(expected[token]!, 4);
    });
  });

  it('ranks the words for each gap, seeing both sides', async () => {
    const both = { ...config, attention: 'bidirectional' as const };
    const tokens = Int32Array.of(5, 2, 9, 2, 11);
    const gaps = await predictMasked(params, both, tokens, 2, 1);
    expect(gaps.map(({ position }) => position)).toEqual([1, 3]);
    const rows = referenceLogits(doubles(host), both, tokens);
    for (const { position, candidates } of gaps) {
      const expected = softmax(rows[position]!);
      expect(candidates[0]!.probability).toBeCloseTo(Math.max(...expected), 4);
      expect(expected[candidates[0]!.token]).toBeCloseTo(Math.max(...expected), 4);
    }
    await expect(predictMasked(params, both, Int32Array.of(1), 2, 1)).rejects.toThrow(/0 of them to predict/);
  });
});
