import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, expect, it } from 'vitest';
import { forward } from '../src/model/forward.ts';
import { initParameters, loadParameters, lookup } from '../src/model/parameters.ts';
import { random } from '../src/random.ts';
import type { Preference } from '../src/stages/preference.ts';
import { pairAccuracy, trainRewardModel } from '../src/stages/reward-model.ts';
import { rewardModelJudge, SCORE_WEIGHT, score } from '../src/stages/score.ts';
import { ask, chat, collect, config, END, expectExactResume, goOn, optimization } from './toy-chats.ts';

const weights = initParameters(config, 1);

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

/** A preference that needs the prompt: the chosen answer repeats the question, the rejected one does not. */
function preferences(count: number, seed: number): Preference[] {
  const uniform = random(seed, 'pairs');
  const symbol = () => 4 + Math.floor(uniform() * 4);
  return Array.from({ length: count }, () => {
    const asked = symbol();
    let other = symbol();
    while (other === asked) other = symbol();
    return { chosen: chat([asked], [asked]), rejected: chat([asked], [other]) };
  });
}

it('learns a preference well enough to tell held-out pairs apart, and judges by it', async () => {
  const plan = optimization({ steps: 60, batchSize: 16, learningRate: 1e-2 });
  const options = { weights, config, pairs: preferences(64, 1), optimization: plan, control: goOn };
  const { state, metrics } = await collect(trainRewardModel(options));
  expect(metrics[0]!.loss).toBeGreaterThan(0.5);
  expect(state.weights[SCORE_WEIGHT]!.shape).toEqual([1, config.width]);
  const params = loadParameters(state.weights);
  const heldOut = await pairAccuracy({ params, config, pairs: preferences(40, 2) });
  expect(heldOut.accuracy).toBeGreaterThanOrEqual(0.9);
  expect(heldOut.margin).toBeGreaterThan(0.5);
  const render = (prompt: string, completion: string) =>
    Int32Array.of(...ask(...prompt.split(' ').map(Number)), ...completion.split(' ').map(Number), END);
  const judge = rewardModelJudge({ params, config, render, batchSize: 3 });
  const rewards = await judge([
    { prompt: '4', completions: ['4', '6', '7'] },
    { prompt: '6', completions: ['4', '6'] },
  ]);
  expect(rewards.map((group) => group.length)).toEqual([3, 2]);
  expect(rewards[0]!.indexOf(Math.max(...rewards[0]!))).toBe(0);
  expect(rewards[1]!.indexOf(Math.max(...rewards[1]!))).toBe(1);
});

it('resumes to the last bit', async () => {
  const plan = optimization({ steps: 5, accumulation: 2 });
  const options = { weights, config, pairs: preferences(9, 3), optimization: plan };
  await expectExactResume((run) => trainRewardModel({ ...options, ...run }), 2);
});

it("scores are score.weight times the last token's hidden state, whatever the padding", async () => {
  const head = { dtype: 'float32' as const, shape: [1, config.width], data: new Float32Array(config.width) };
  head.data.forEach((_, i) => {
    head.data[i] = Math.cos(i);
  });
  const params = loadParameters({ ...weights, [SCORE_WEIGHT]: head });
  const sequences = [ask(4), ask(5, 6, 7, 8, 9), Int32Array.of(1)];
  const scores = await score({ params, config, sequences });
  for (const [i, sequence] of sequences.entries()) {
    const tokens = tf.tensor2d(sequence, [1, sequence.length], 'int32');
    const hidden = Float32Array.from(forward(lookup(params), config, tokens).dataSync()).slice(-config.width);
    const expected = hidden.reduce((sum, value, j) => sum + value * head.data[j]!, 0);
    expect(scores[i]).toBeCloseTo(expected, 4);
  }
});

it('refuses a model without a head, sequences that do not fit and pairs of one answer', async () => {
  const params = loadParameters(weights);
  await expect(score({ params, config, sequences: [ask(4)] })).rejects.toMatchObject({
    code: 'incompatible_checkpoint',
  });
  const same = { chosen: chat([4], [5]), rejected: chat([4], [5]) };
  const plan = { weights, config, optimization: optimization(), control: goOn };
  await expect(collect(trainRewardModel({ ...plan, pairs: [same] }))).rejects.toMatchObject({
    code: 'invalid_data',
    details: [{ line: 1 }],
  });
  const answer = Array.from({ length: 12 }, () => 5);
  const tooLong = { chosen: chat([4], [...answer]), rejected: chat([4], [5]) };
  await expect(collect(trainRewardModel({ ...plan, pairs: [tooLong] }))).rejects.toMatchObject({
    code: 'invalid_data',
  });
});
