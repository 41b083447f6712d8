import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from './model-config.ts';
import { type Rotary, rotate, rotateGradient } from './rotary.ts';
import { withGradient } from './with-gradient.ts';

/**
 * Queries of the heads that share one key head lie one after another, so that grouped-query attention (Ainslie et al.
 * 2023) needs no repeated keys: queries [B, kvHeads, groups * T, size]; keys and values [B, kvHeads, S, size].
 */
export interface Heads {
  queries: tf.Tensor4D;
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
}

/** Projections of all tokens: queries [B*T, heads * size], keys and values [B*T, kvHeads * size]. */
export type Projections = [queries: tf.Tensor2D, keys: tf.Tensor2D, values: tf.Tensor2D];

/** Projections as heads, queries and keys rotated. */
export function splitHeads(
  [queries, keys, values]: Projections,
  config: ModelConfig,
  batch: number,
  { queries: queryTurn, keys: keyTurn, rotation }: Rotary,
): Heads {
  const turned: Projections = [rotate(queries, queryTurn, rotation), rotate(keys, keyTurn, rotation), values];
  return arrangeHeads(turned, config, batch);
}

/** Projections as heads, as they are. */
export function arrangeHeads(
  [queries, keys, values]: Projections,
  { heads, kvHeads }: ModelConfig,
  batch: number,
): Heads {
  return {
    queries: regroup(toHeads(queries, batch, heads), kvHeads),
    keys: toHeads(keys, batch, kvHeads),
    values: toHeads(values, batch, kvHeads),
  };
}

/** [B*T, heads * size] -> [B, heads, T, size]; nothing moves where T is 1. */
function toHeads(rows: tf.Tensor2D, batch: number, heads: number): tf.Tensor4D {
  const [count, row] = rows.shape;
  if (count === batch) return tf.reshape(rows, [batch, heads, 1, row / heads]);
  return tf.transpose(tf.reshape(rows, [batch, count / batch, heads, row / heads]), [0, 2, 1, 3]);
}

/** The inverse of `toHeads`. */
function toRows(heads: tf.Tensor4D): tf.Tensor2D {
  const [batch, count, length, size] = heads.shape;
  const perToken = length === 1 ? heads : tf.transpose(heads, [0, 2, 1, 3]);
  return tf.reshape(perToken, [batch * length, count * size]);
}

/** softmax(queries keys^T + mask): [B, kvHeads, groups * T, S]. */
export function attentionWeights({ queries, keys }: Heads, mask: tf.Tensor4D | undefined): tf.Tensor4D {
  const scores = tf.matMul(queries, keys, false, true);
  return tf.softmax(mask ? tf.add(scores, mask) : scores) as tf.Tensor4D;
}

/** [B, kvHeads, groups * T, size] -> [B*T, width]. */
export function joinHeads(context: tf.Tensor4D, config: ModelConfig): tf.Tensor2D {
  return toRows(regroup(context, config.heads));
}

/**
 * Multi-head attention over projections -> [B*T, width]. `mask` is additive, float32 [B or 1, 1, groups * T, T].
 */
export function attention(
  projections: Projections,
  config: ModelConfig,
  batch: number,
  rotary: Rotary,
  mask: tf.Tensor4D | undefined,
): tf.Tensor2D {
  return withGradient<tf.Tensor2D>(projections, (save) => {
    const heads = splitHeads(projections, config, batch, rotary);
    const weights = attentionWeights(heads, mask);
    const value = joinHeads(tf.matMul(weights, heads.values), config);
    const turns = [rotary.queries.cos, rotary.queries.sin, rotary.keys.cos, rotary.keys.sin, rotary.rotation];
    save([heads.queries, heads.keys, heads.values, weights, value, ...turns]);
    return { value, gradient: (dy, saved) => attentionGradient(dy, saved, config, batch) };
  });
}

function attentionGradient(
  dy: tf.Tensor2D,
  saved: tf.Tensor[],
  config: ModelConfig,
  batch: number,
): Projections {
  const [queries, keys, values, weights] = saved as tf.Tensor4D[];
  const [value, queryCos, querySin, keyCos, keySin, rotation] = saved.slice(4) as tf.Tensor2D[];
  const { heads, kvHeads } = config;
  const dContext = regroup(toHeads(dy, batch, heads), kvHeads);
  const dValues = tf.matMul(weights!, dContext, true, false);
  // Softmax: dS = P * (dP - rowsum(dP * P)), and rowsum(dP * P) = rowsum(dO * O) (Dao et al. 2022, section 3.1).
  const size = values!.shape[3];
  const perHead = tf.sum(tf.reshape(tf.mul(dy, value!), [-1, size]), -1, true) as tf.Tensor2D; // [B*T*heads,1]
  const radial = regroup(toHeads(tf.reshape(perHead, [-1, heads]), batch, heads), kvHeads);
  const dScores = tf.mul(weights!, tf.sub(tf.matMul(dContext, values!, false, true), radial)) as tf.Tensor4D;
  const dQueries = toRows(regroup(tf.matMul(dScores, keys!), heads));
  const dKeys = toRows(tf.matMul(dScores, queries!, true, false));
  return [
    rotateGradient(dQueries, { cos: queryCos!, sin: querySin! }, rotation!),
    rotateGradient(dKeys, { cos: keyCos!, sin: keySin! }, rotation!),
    toRows(dValues as tf.Tensor4D),
  ];
}

/** Reshapes [B, h, n, size] to [B, groups, h * n / groups, size]; free when nothing changes. */
function regroup(x: tf.Tensor4D, groups: number): tf.Tensor4D {
  const [batch, heads, , size] = x.shape;
  return heads === groups ? x : tf.reshape(x, [batch, groups, -1, size]);
}

/** A score that softmax turns into exactly 0. */
export const HIDDEN = -1e9;

/** Additive mask [1, 1, T, T] that hides later positions. */
export function causalMask(length: number): tf.Tensor4D {
  const mask = new Float32Array(length * length);
  for (let i = 0; i < length; i++) mask.fill(HIDDEN, i * length + i + 1, (i + 1) * length);
  return tf.tensor4d(mask, [1, 1, length, length]);
}

/** Repeats a mask [.., .., T, S] for the query heads that share a key head: [.., .., groups * T, S]. */
export function maskForGroups(mask: tf.Tensor4D, config: ModelConfig): tf.Tensor4D {
  const groups = config.heads / config.kvHeads;
  return groups === 1 ? mask : tf.tile(mask, [1, 1, groups, 1]);
}
