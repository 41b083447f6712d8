import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, expect, it } from 'vitest';
import { upload } from '../src/host-tensor.ts';
import { forward, logits } from '../src/model/forward.ts';
import { initParameters, loadParameters, lookup } from '../src/model/parameters.ts';
import { dpo } from '../src/stages/dpo.ts';
import { targetBatch, targetLogProbabilities } from '../src/stages/target-log-probabilities.ts';
import { chat, collect, config, expectExactResume, goOn, optimization } from './toy-chats.ts';

const weights = initParameters(config, 1);
const symbols = [4, 5, 6, 7];
const pairs = symbols.map((asked, i) => ({
  chosen: chat([asked], [asked]),
  rejected: chat([asked], [symbols[(i + 1) % 4]!, 9]),
}));

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

it('starts from log 2 at a margin of 0, raises the margin and keeps the chosen answer likely', async () => {
  const options = { weights, config, pairs, beta: 0.5, nllWeight: 1, control: goOn };
  const { metrics } = await collect(
    dpo({ ...options, optimization: optimization({ steps: 25, learningRate: 1e-2 }) }),
  );
  const [first, last] = [metrics[0]!, metrics.at(-1)!];
  expect(first.margin).toBe(0);
  expect(first.preference_loss).toBeCloseTo(Math.log(2), 6);
  expect(first.loss).toBeCloseTo(Math.log(2) + first.chosen_nll!, 5);
  expect(last.margin).toBeGreaterThan(2);
  expect(last.accuracy).toBe(1);
  expect(last.chosen_nll).toBeLessThan(first.chosen_nll! / 2);
});

it('resumes to the last bit, with the original weights as its reference', async () => {
  const plan = optimization({ steps: 5, batchSize: 2, accumulation: 2 });
  const options = { weights, config, pairs, beta: 0.1, nllWeight: 0, optimization: plan };
  await expectExactResume((run) => dpo({ ...options, ...run }), 3);
});

it('log-probabilities are log softmax at the temperature, in every row of a padded batch', () => {
  const parameters = lookup(loadParameters(weights));
  const examples = [chat([4], [5, 6, 7]), chat([8], [9])];
  const batch = upload(targetBatch(examples, config.contextLength));
  const actual = targetLogProbabilities(parameters, config, batch, 0.5).arraySync();
  const padding = Array(9).fill(0);
  expect(batch.weights!.arraySync()).toEqual([
    [0, 0, 0, 1, 1, 1, 1, ...padding],
    [0, 0, 0, 1, 1, 0, 0, ...padding],
  ]);
  for (const [b, { tokens }] of examples.entries()) {
    const size = tokens.length - 1;
    const hidden = forward(parameters, config, tf.tensor2d(tokens.subarray(0, size), [1, size], 'int32'));
    const z = logits(parameters, config, tf.reshape(hidden, [size, config.width])).arraySync();
    for (const [i, row] of z.entries()) {
      const normaliser = Math.log(row.reduce((sum, value) => sum + Math.exp(value / 0.5), 0));
      expect(actual[b]![i]).toBeCloseTo(row[tokens[i + 1]!]! / 0.5 - normaliser, 4);
    }
  }
});

it('refuses dropout', async () => {
  const plan = optimization({ dropout: 0.1 });
  const options = { weights, config, pairs, beta: 0.1, nllWeight: 0, optimization: plan, control: goOn };
  await expect(collect(dpo(options))).rejects.toMatchObject({ param: 'optimization.dropout' });
});
