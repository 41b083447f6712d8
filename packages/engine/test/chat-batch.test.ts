import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { upload } from '../src/host-tensor.ts';
import { forward, logits } from '../src/model/forward.ts';
import { initParameters, loadParameters, lookup } from '../src/model/parameters.ts';
import {
  blockCausalMask,
  type ChatExample,
  chatBatch,
  packExamples,
  packRow,
  validateChatExamples,
} from '../src/stages/chat-batch.ts';
import { drawBatch, epochOrder } from '../src/stages/epoch-order.ts';
import { answerLoss } from '../src/stages/finetune.ts';
import { chat, config } from './toy-chats.ts';

const parameters = () => lookup(loadParameters(initParameters(config, 3)));

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

describe('packing', () => {
  it('shifts targets by one and restarts positions and segments for each example', () => {
    const examples: ChatExample[] = [
      { tokens: Int32Array.of(5, 6, 7), lossMask: Uint8Array.of(0, 0, 1) },
      { tokens: Int32Array.of(8, 9), lossMask: Uint8Array.of(1, 1) },
    ];
    const row = packRow(examples, 5);
    expect(Array.from(row.inputs)).toEqual([5, 6, 8, 0, 0]);
    expect(Array.from(row.targets)).toEqual([6, 7, 9, 0, 0]);
    expect(Array.from(row.weights)).toEqual([0, 1, 1, 0, 0]);
    expect(Array.from(row.segments)).toEqual([0, 0, 1, -1, -1]);
    expect(Array.from(row.positions)).toEqual([0, 1, 0, 0, 0]);
  });

  it('fills rows first-fit, longest first, and loses no example', () => {
    const ofSize = (size: number, id: number): ChatExample => ({
      tokens: Int32Array.from({ length: size + 1 }, () => id),
      lossMask: new Uint8Array(size + 1).fill(1),
    });
    // sizes 6, 5, 4, 3, 2 into rows of 10: {6, 4}, {5, 3, 2}
    const rows = packExamples([ofSize(2, 2), ofSize(6, 6), ofSize(4, 4), ofSize(3, 3), ofSize(5, 5)], 10);
    expect(rows.map(({ inputs }) => Array.from(inputs))).toEqual([
      [6, 6, 6, 6, 6, 6, 4, 4, 4, 4],
      [5, 5, 5, 5, 5, 3, 3, 3, 2, 2],
    ]);
  });

  it('masks to earlier positions of the same segment', () => {
    const mask = Array.from(blockCausalMask(Int32Array.of(0, 0, 1, -1), 1, 4), (value) =>
      value === 0 ? 1 : 0,
    );
    expect(mask).toEqual([1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  });

  it('names the examples that cannot be trained on', () => {
    const tooLong = chat(
      [4],
      Array.from({ length: 14 }, () => 5),
    );
    const silent = { tokens: Int32Array.of(1, 2), lossMask: Uint8Array.of(1, 0) };
    const uneven = { tokens: Int32Array.of(1, 2), lossMask: Uint8Array.of(1) };
    expect(() => validateChatExamples([chat([4], [5])], 16)).not.toThrow();
    try {
      validateChatExamples([chat([4], [5]), tooLong, silent, uneven], 16);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_data' });
      expect((error as { details: { line: number }[] }).details.map(({ line }) => line)).toEqual([2, 3, 4]);
    }
    expect(() => validateChatExamples([], 16)).toThrow(/at least one/);
  });
});

describe('packed rows in the model', () => {
  it('give each example the logits that it has alone', () => {
    const examples = [chat([4, 5], [6]), chat([7], [8]), chat([10], [11])];
    const [row, ...others] = packExamples(examples, config.contextLength);
    expect(others).toEqual([]);
    const model = parameters();
    const vocabulary = (tokens: tf.Tensor2D, options = {}) =>
      logits(model, config, tf.reshape(forward(model, config, tokens, options), [-1, config.width]));
    const { inputs, positions, mask } = upload(chatBatch([row!]));
    const packed = vocabulary(inputs as tf.Tensor2D, { positions, mask });
    let offset = 0;
    for (const { tokens } of examples) {
      const size = tokens.length - 1;
      const alone = vocabulary(tf.tensor2d(tokens.subarray(0, size), [1, size], 'int32'));
      const difference = tf.max(tf.abs(tf.sub(tf.slice(packed, [offset, 0], [size, -1]), alone)));
      expect(difference.dataSync()[0]).toBeLessThan(1e-5);
      offset += size;
    }
    expect(offset).toBe(16);
  });

  it('a change in one example leaves the others as they were, to the last bit', () => {
    const model = parameters();
    const outputs = (second: ChatExample) => {
      const { inputs, positions, mask } = upload(chatBatch([packRow([chat([4, 5], [6]), second], 16)]));
      return forward(model, config, inputs as tf.Tensor2D, {
        positions: positions as tf.Tensor2D,
        mask: mask as tf.Tensor4D,
      })
        .dataSync()
        .slice(0, 5 * config.width);
    };
    expect(outputs(chat([7], [8]))).toEqual(outputs(chat([12], [13])));
  });

  it('targets outside of the loss mask change neither loss nor gradient', () => {
    const loaded = loadParameters(initParameters(config, 3));
    const run = (edit: (row: ReturnType<typeof packRow>) => void) => {
      const row = packRow([chat([4, 5], [6, 7])], 16);
      edit(row);
      const batch = upload(chatBatch([row]));
      const names = [...loaded.keys()];
      const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) =>
        answerLoss(lookup(new Map(names.map((name, i) => [name, weights[i]!]))), config, batch),
      )([...loaded.values()]);
      return [value, ...grads].map((tensor) => tensor.dataSync());
    };
    const original = run(() => {});
    const unmasked = run(({ targets, weights }) => {
      for (const i of targets.keys()) if (weights[i] === 0) targets[i] = 9;
    });
    const masked = run(({ targets, weights }) => {
      targets[weights.indexOf(1)] = 9;
    });
    expect(unmasked).toEqual(original);
    expect(masked[0]).not.toEqual(original[0]);
  });

  it('loss is the mean over the answers of -log softmax', () => {
    const model = parameters();
    const example = chat([4, 5], [6, 7]);
    const loss = answerLoss(model, config, upload(chatBatch([packRow([example], 16)]))).dataSync()[0]!;
    const size = example.tokens.length - 1;
    const hidden = forward(model, config, tf.tensor2d(example.tokens.subarray(0, size), [1, size], 'int32'));
    const z = logits(model, config, tf.reshape(hidden, [-1, config.width])).arraySync() as number[][];
    const answers = [...example.tokens.keys()].filter((i) => example.lossMask[i] === 1);
    const nll = answers.map((i) => {
      const row = z[i - 1]!;
      const normaliser = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      return normaliser - row[example.tokens[i]!]!;
    });
    expect(answers).toHaveLength(3);
    expect(loss).toBeCloseTo(nll.reduce((sum, value) => sum + value, 0) / 3, 5);
  });
});

describe('the order of examples', () => {
  it('draws every example once an epoch, in another order each epoch, as a pure function', () => {
    const order = epochOrder(5, 10);
    const epochs = [0, 1].map((epoch) => Array.from({ length: 10 }, (_, i) => order(epoch * 10 + i)));
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochOrder(5, 10)(13)).toBe(epochs[1]![3]);
  });

  it('gives consecutive draws to consecutive micro-batches', () => {
    const order = (draw: number) => draw % 7;
    const examples = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    expect(drawBatch(examples, order, { step: 1, micro: 1, accumulation: 2, batchSize: 3 })).toEqual([
      'c',
      'd',
      'e',
    ]);
  });
});
