import type { StoredModel } from '@trainyard/contracts';
import {
  forward,
  fromHost,
  type HostTensors,
  loadParameters,
  logits,
  lookup,
  toModelConfig,
} from '@trainyard/engine';

/** Log-probabilities of every next token by our engine: tokens [T] -> [T][V]. */
export function logProbabilities(
  model: StoredModel,
  weights: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
  tokens: number[],
): number[][] {
  const config = toModelConfig(model);
  const host: HostTensors = {};
  for (const [name, { shape, data }] of Object.entries(weights))
    host[name] = { dtype: 'float32', shape: [...shape], data };
  const parameters = lookup(loadParameters(host));
  const input = fromHost({ dtype: 'int32', shape: [1, tokens.length], data: Int32Array.from(tokens) });
  const hidden = forward(parameters, config, input as never).dataSync() as Float32Array;
  const rows = fromHost({ dtype: 'float32', shape: [tokens.length, config.width], data: hidden });
  const scores = logits(parameters, config, rows as never).dataSync() as Float32Array;
  return tokens.map((_, i) => {
    const row = Array.from(scores.subarray(i * config.vocabSize, (i + 1) * config.vocabSize));
    const highest = Math.max(...row);
    const total = Math.log(row.reduce((sum, score) => sum + Math.exp(score - highest), 0));
    return row.map((score) => score - highest - total);
  });
}

/** The largest difference between two tables of the same shape. */
export function largestDifference(a: number[][], b: number[][]): number {
  if (a.length !== b.length || a[0]!.length !== b[0]!.length) return Number.POSITIVE_INFINITY;
  return Math.max(...a.map((row, i) => Math.max(...row.map((value, j) => Math.abs(value - b[i]![j]!)))));
}
