import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { BpeTrainer } from '@trainyard/tokenizer';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  bitsPerByte,
  disposeParameters,
  loadParameters,
  type MissingWordsOptions,
  missingWords,
  type Objective,
  pretrain,
} from '../src/index.ts';
import { doubles, referenceLogits, referenceLogProbability } from './reference-model.ts';
import { randomTokens, strongWeights, tinyConfig } from './tiny-config.ts';

beforeAll(() => loadBackend({ prefer: 'auto' }));

describe('bits per byte', () => {
  const config = tinyConfig({ contextLength: 8 });
  const host = strongWeights(config, 2);

  it('scores every token once, with half a context before it in long documents', async () => {
    const documents = [5, 8, 9, 21, 0].map((length) => randomTokens(length, config, `document ${length}`));
    const params = loadParameters(host);
    const before = tf.memory().numTensors;
    const result = await bitsPerByte({ params, config, documents, bytes: 60, endOfText: 0, batchSize: 3 });
    expect(tf.memory().numTensors).toBe(before);
    disposeParameters(params);

    let nats = 0;
    for (const document of documents) {
      const text = [0, ...document];
      document.forEach((token, i) => {
        // Token i is predicted from text[..i]; the first window holds 8 inputs, the next begin 4 further each.
        const start = i < 8 ? 0 : 4 * (Math.floor((i - 8) / 4) + 1);
        const scores = referenceLogits(doubles(host), config, text.slice(start, i + 1)).at(-1)!;
        nats -= referenceLogProbability(scores, token);
      });
    }
    expect(result.tokens).toBe(43);
    expect(result.nats).toBeCloseTo(nats, 3);
    expect(result.bitsPerByte).toBeCloseTo(nats / Math.LN2 / 60, 4);
  });

  it('refuses documents without text', async () => {
    const none = bitsPerByte({ params: new Map(), config, documents: [], bytes: 0, endOfText: 0 });
    await expect(none).rejects.toMatchObject({ code: 'invalid_data' });
  });
});

describe('missing words', () => {
  const words = ['red', 'green', 'blue', 'black', 'white', 'brown', 'grey', 'pink'];
  const documents = words.map((word) => ` ${word}`.repeat(8)); // the rest of a document tells the missing word
  const trainer = new BpeTrainer({ vocabSize: 320 });
  for (const document of documents) trainer.add(document);
  const tokenizer = trainer.train();
  const text = documents.map((document) => [...tokenizer.encode(document), tokenizer.special.endOfText]);

  async function measure(objective: Objective, steps: number, changes: Partial<MissingWordsOptions> = {}) {
    const config = tinyConfig({
      vocabSize: tokenizer.vocabSize,
      width: 32,
      contextLength: 16,
      attention: objective === 'masked' ? 'bidirectional' : 'causal',
    });
    const window = (row: number) => [...text[row % 8]!.slice(0, -1), ...text[row % 8]!];
    const training = pretrain({
      config,
      objective,
      maskingRate: 0.2,
      fimRate: 0.9,
      sample: (step) => Int32Array.from([...Array(12).keys()].flatMap((row) => window(row + step))),
      vocabulary: tokenizer,
      optimization: {
        steps,
        batchSize: 12,
        accumulation: 1,
        learningRate: 1e-2,
        schedule: 'constant',
        warmupSteps: 5,
        minLearningRateRatio: 1,
        weightDecay: 0,
        beta1: 0.9,
        beta2: 0.95,
        gradientClip: 1,
        seed: 3,
      },
      control: () => 'continue',
    });
    for await (const event of training) {
      if (event.type !== 'checkpoint') continue;
      const params = loadParameters(event.state.weights);
      const measured = { params, config, tokenizer, objective, documents, maxWords: 100, ...changes };
      const result = await missingWords(measured);
      disposeParameters(params);
      return result;
    }
    throw new Error('the run ended without a checkpoint');
  }

  it('counts words, and the best constant answer as baseline', async () => {
    const changes = { documents: [' red green red grey', ' red 42 blue'], maxWords: 100 };
    const result = await measure('masked', 1, changes);
    expect(result).toMatchObject({ words: 6, unigramAccuracy: 0.5 });
    expect(result.standardError).toBeCloseTo(Math.sqrt((result.accuracy * (1 - result.accuracy)) / 6), 10);
    expect((await measure('masked', 1, { maxWords: 5 })).words).toBe(5);
  });

  it.each([
    ['masked', 40],
    ['fill_in_the_middle', 50],
    ['next_word', 30],
  ] as [Objective, number][])('%s: a trained model beats the baseline', async (objective, steps) => {
    const { accuracy, unigramAccuracy } = await measure(objective, steps);
    expect(unigramAccuracy).toBe(1 / 8);
    expect(accuracy).toBeGreaterThan(0.6);
  });

  it('refuses documents without words', async () => {
    await expect(measure('masked', 1, { documents: ['123'] })).rejects.toMatchObject({
      code: 'invalid_data',
    });
  });
});
