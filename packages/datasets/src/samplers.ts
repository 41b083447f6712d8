import { TrainyardError } from '@trainyard/contracts';
import type { Tokens } from './concatenate.ts';
import { hash, permute } from './permutation.ts';

export interface SamplerOptions {
  batchSize: number;
  seed: number;
  /** Micro batches in an optimizer step, default 1; `micro` counts from 0 within a step. */
  accumulation?: number;
}

/** A batch as a function of its place: resuming needs no cursor but the step. */
export type Sampler = (step: number, micro: number) => Int32Array;

/**
 * Batches [batchSize] of indices below `count`: every index once in each epoch, each epoch in an order of its own.
 * Batches run on over the border of epochs.
 */
export function indexSampler(count: number, options: SamplerOptions): Sampler {
  if (count < 1)
    throw new TrainyardError('invalid_data', 'There is nothing to train on: the split is empty.');
  const { batchSize, seed, accumulation = 1 } = options;
  return (step, micro) =>
    Int32Array.from({ length: batchSize }, (_, i) => {
      const place = (step * accumulation + micro) * batchSize + i;
      return permute(place % count, count, hash(seed, Math.floor(place / count)));
    });
}

/**
 * Batches [batchSize * length] of windows of `length` tokens (context + 1: inputs and their successors). The windows
 * divide the shard without overlap, but for an incomplete last one; each comes once in an epoch.
 * @throws TrainyardError `invalid_data` for a shard shorter than a window.
 */
export function windowSampler(shard: Tokens, options: SamplerOptions & { length: number }): Sampler {
  const { length } = options;
  const count = Math.floor(shard.length / length);
  if (count === 0)
    throw new TrainyardError(
      'invalid_data',
      `The split holds ${shard.length} tokens, fewer than one window of ${length}; add text or shorten the context.`,
    );
  const sample = indexSampler(count, options);
  return (step, micro) => {
    const windows = sample(step, micro);
    const batch = new Int32Array(windows.length * length);
    windows.forEach((window, row) => {
      batch.set(shard.read(window * length, length), row * length);
    });
    return batch;
  };
}
