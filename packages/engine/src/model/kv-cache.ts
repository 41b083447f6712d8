import * as tf from '@tensorflow/tfjs-core';
import { attentionWeights, HIDDEN, joinHeads, maskForGroups, splitHeads } from './attention.ts';
import { decode, logits } from './forward.ts';
import type { ModelConfig } from './model-config.ts';
import type { ParameterLookup } from './parameters.ts';
import { type RotaryTable, rotaryAt, rotaryTable } from './rotary.ts';

/**
 * Keys and values of a batch of sequences, right-aligned: sequence b's token at position p is in slot p + padding[b].
 * So all sequences grow in the same slot, and each keeps its own positions.
 */
export interface KeyValueCache {
  /** By layer, [B, kvHeads, slots, head width]. */
  keys: tf.Tensor4D[];
  values: tf.Tensor4D[];
  slots: number;
  /** Empty slots in front, by sequence. */
  padding: number[];
  table: RotaryTable;
}

/** An empty cache, for sequences of `padding.length`. Dispose with `disposeCache`. */
export function initCache(config: ModelConfig, padding: number[]): KeyValueCache {
  const table = tf.tidy(() => rotaryTable(config, config.contextLength));
  return { keys: [], values: [], slots: 0, padding, table };
}

export function disposeCache({ keys, values, table }: KeyValueCache): void {
  tf.dispose([keys, values, table]);
}

/** Appends `count` tokens to each sequence, tokens int32 [B * count]; returns the scores after the last, [B,V]. */
export function extend(
  parameters: ParameterLookup,
  config: ModelConfig,
  cache: KeyValueCache,
  tokens: Int32Array,
): tf.Tensor2D {
  const batch = cache.padding.length;
  const count = tokens.length / batch;
  const [last, keys, values] = tf.tidy(() => {
    const { rotary, mask } = layout(config, cache, count);
    const grown = { keys: [] as tf.Tensor4D[], values: [] as tf.Tensor4D[] };
    const hidden = decode(parameters, config, tf.tensor1d(tokens, 'int32'), (projections, layer) => {
      const heads = splitHeads(projections, config, batch, rotary);
      heads.keys = append(cache.keys[layer], heads.keys);
      heads.values = append(cache.values[layer], heads.values);
      grown.keys.push(heads.keys);
      grown.values.push(heads.values);
      return joinHeads(tf.matMul(attentionWeights(heads, mask), heads.values), config);
    });
    const ends = Int32Array.from({ length: batch }, (_, b) => (b + 1) * count - 1);
    const newest = count === 1 ? hidden : tf.gather(hidden, tf.tensor1d(ends, 'int32'));
    return [logits(parameters, config, newest), grown.keys, grown.values];
  });
  tf.dispose([cache.keys, cache.values]);
  Object.assign(cache, { keys, values, slots: cache.slots + count });
  return last;
}

/** Keeps only these sequences, by index. */
export function keepSequences(cache: KeyValueCache, kept: number[]): void {
  const pick = (all: tf.Tensor4D[]): tf.Tensor4D[] => tf.tidy(() => all.map((x) => tf.gather(x, kept)));
  const [keys, values] = [pick(cache.keys), pick(cache.values)];
  tf.dispose([cache.keys, cache.values]);
  Object.assign(cache, { keys, values, padding: kept.map((b) => cache.padding[b]!) });
}

function append(past: tf.Tensor4D | undefined, next: tf.Tensor4D): tf.Tensor4D {
  return past ? tf.concat([past, next], 2) : tf.clone(next);
}

/** Rotary rows and additive mask of the `count` slots that come next. */
function layout(config: ModelConfig, { slots, padding, table }: KeyValueCache, count: number) {
  const batch = padding.length;
  const total = slots + count;
  const positions = new Int32Array(batch * count);
  const mask = new Float32Array(batch * count * total);
  padding.forEach((empty, b) => {
    for (let i = 0; i < count; i++) {
      const slot = slots + i;
      const row = (b * count + i) * total;
      positions[b * count + i] = Math.max(0, slot - empty);
      mask.fill(HIDDEN, row, row + empty);
      mask.fill(HIDDEN, row + slot + 1, row + total);
    }
  });
  const needsMask = count > 1 || padding.some((empty) => empty > 0);
  return {
    rotary: rotaryAt(table, tf.tensor2d(positions, [batch, count])),
    mask: needsMask ? maskForGroups(tf.tensor4d(mask, [batch, 1, count, total]), config) : undefined,
  };
}
