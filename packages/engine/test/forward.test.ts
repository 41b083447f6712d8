import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  crossEntropy,
  disposeParameters,
  type ForwardOptions,
  forward,
  type HostTensors,
  head,
  loadParameters,
  logits,
  lookup,
  type ModelConfig,
  tokenLogProbabilities,
} from '../src/index.ts';
import { doubles, referenceLogits, referenceLogProbability } from './reference-model.ts';
import { randomTokens, strongWeights, tinyConfig } from './tiny-config.ts';

beforeAll(() => loadBackend({ prefer: 'auto' }));

function scores(
  host: HostTensors,
  config: ModelConfig,
  tokens: Int32Array,
  options: ForwardOptions = {},
): number[][] {
  const parameters = loadParameters(host);
  const rows = tf.tidy(() => {
    const hidden = forward(lookup(parameters), config, tf.tensor2d(tokens, [1, tokens.length]), options);
    return logits(lookup(parameters), config, tf.reshape(hidden, [tokens.length, config.width])).arraySync();
  });
  disposeParameters(parameters);
  return rows;
}

function expectClose(actual: number[][], expected: number[][]): void {
  actual.forEach((row, t) => {
    row.forEach((value, i) => {
      expect(Math.abs(value - expected[t]![i]!), `scores[${t}][${i}]`).toBeLessThan(2e-5);
    });
  });
}

describe('forward', () => {
  it.each([
    ['grouped queries, tied head', {}],
    ['one key head per query head', { kvHeads: 4 }],
    ['untied head', { tiedHead: false }],
    ['bidirectional', { attention: 'bidirectional' }],
  ] as [string, Partial<ModelConfig>][])('equals the plain transformer: %s', (_, changes) => {
    const config = tinyConfig(changes);
    const host = strongWeights(config, 3);
    const tokens = randomTokens(9, config);
    expectClose(scores(host, config, tokens), referenceLogits(doubles(host), config, tokens));
  });

  it('takes positions and a mask per token', () => {
    const config = tinyConfig();
    const host = strongWeights(config, 3);
    const tokens = randomTokens(6, config);
    const positions = [0, 1, 2, 0, 1, 2];
    const visible = (from: number, to: number) => to <= from && from < 3 === to < 3;
    const mask = Float32Array.from({ length: 36 }, (_, i) => (visible(Math.floor(i / 6), i % 6) ? 0 : -1e9));
    const options = {
      positions: tf.tensor2d([positions], [1, 6], 'int32'),
      mask: tf.tensor4d(mask, [1, 1, 6, 6]),
    };
    expectClose(
      scores(host, config, tokens, options),
      referenceLogits(doubles(host), config, tokens, { positions, visible }),
    );
    tf.dispose([options.positions, options.mask]);
  });

  it('gives each sequence of a batch what it gives it alone', () => {
    const config = tinyConfig();
    const host = strongWeights(config, 5);
    const parameters = loadParameters(host);
    const tokens = randomTokens(12, config);
    const batched = tf.tidy(() =>
      forward(lookup(parameters), config, tf.tensor2d(tokens, [2, 6])).arraySync(),
    );
    const alone = tf.tidy(() =>
      forward(lookup(parameters), config, tf.tensor2d(tokens.slice(6), [1, 6])).arraySync(),
    );
    expectClose(batched[1]!, alone[0]!);
    disposeParameters(parameters);
  });
});

describe('gradient of the whole model', () => {
  it.each(['causal', 'bidirectional'] as const)(
    'equals finite differences of the plain transformer: %s',
    (attention) => {
      const config = tinyConfig({ attention, tiedHead: attention === 'causal' });
      const host = strongWeights(config, 11);
      const tokens = randomTokens(8, config, 'inputs');
      const targets = randomTokens(8, config, 'targets');
      const weights = [1, 1, 0, 1, 0.5, 1, 1, 1];
      const parameters = loadParameters(host);
      const names = [...parameters.keys()];
      const { value, grads } = tf.valueAndGrads(() => {
        const hidden = forward(lookup(parameters), config, tf.tensor2d(tokens, [2, 4]));
        const rows = tf.reshape(hidden, [8, config.width]) as tf.Tensor2D;
        const own = head(lookup(parameters), config);
        const scores = tokenLogProbabilities(rows, own, tf.tensor1d(targets, 'int32'));
        return crossEntropy(scores, tf.tensor1d(weights));
      })([...parameters.values()]);

      const plain = doubles(host);
      const loss = (): number => {
        const rows = [0, 4].flatMap((start) =>
          referenceLogits(plain, config, tokens.slice(start, start + 4)),
        );
        const sum = rows.reduce(
          (total, row, t) => total - weights[t]! * referenceLogProbability(row, targets[t]!),
          0,
        );
        return sum / 6.5;
      };
      expect(value.dataSync()[0]).toBeCloseTo(loss(), 4);
      names.forEach((name, n) => {
        const gradient = grads[n]!.dataSync<'float32'>();
        const { data } = plain[name]!;
        const largest = gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
        expect(largest, name).toBeGreaterThan(0);
        for (let k = 0; k < 4; k++) {
          const i = k === 0 ? gradient.findIndex((g) => Math.abs(g) === largest) : (k * 7919) % data.length;
          const before = data[i]!;
          const step = 1e-5;
          data[i] = before + step;
          const above = loss();
          data[i] = before - step;
          const difference = (above - loss()) / (2 * step);
          data[i] = before;
          expect(Math.abs(gradient[i]! - difference), `${name}[${i}]`).toBeLessThan(
            2e-5 + 1e-4 * Math.abs(difference),
          );
        }
      });
      tf.dispose([value, ...grads]);
      disposeParameters(parameters);
    },
  );

  it('of an embedding sums the rows of repeated tokens, the same bits every time', () => {
    const config = tinyConfig({ vocabSize: 5, contextLength: 128 });
    const parameters = loadParameters(strongWeights(config, 2));
    const tokens = randomTokens(128, config);
    const run = () =>
      tf.tidy(() => {
        const gradient = tf.grad((table: tf.Tensor) => {
          const find = (name: string) =>
            name === 'model.embed_tokens.weight' ? table : lookup(parameters)(name);
          return tf.sum(tf.square(forward(find, config, tf.tensor2d(tokens, [1, 128]))));
        })(parameters.get('model.embed_tokens.weight')!);
        return Buffer.from(gradient.dataSync().slice().buffer).toString('hex');
      });
    const first = run();
    for (let i = 0; i < 5; i++) expect(run()).toBe(first);
    disposeParameters(parameters);
  });
});
