import * as tf from '@tensorflow/tfjs-core';
import { headWidth, type ModelConfig } from './model-config.ts';

/**
 * Rotary positions (Su et al. 2021) in Hugging Face's rotate-half convention for the joint projection of queries, keys
 * and values, whose row is `heads + 2 * kvHeads` heads long: x * cos + (x rotation) * sin. Queries are scaled by
 * 1 / sqrt(head width) on the way; values pass unchanged (cos 1, sin 0).
 */
export type Rotary = {
  /** [rows, head width], one row per token and head. */
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
  /** [head width, head width]: x rotation = (-second half of x, first half of x). */
  rotation: tf.Tensor2D;
};

/** The table over positions 0..length-1 that `rotaryAt` picks rows from: cos and sin [length, row width]. */
export type RotaryTable = Rotary;

export function rotaryTable(config: ModelConfig, length: number): RotaryTable {
  const size = headWidth(config);
  const row = (config.heads + 2 * config.kvHeads) * size;
  const { cos, sin } = hostTable(config);
  return {
    cos: tf.tensor2d(cos.subarray(0, length * row), [length, row]),
    sin: tf.tensor2d(sin.subarray(0, length * row), [length, row]),
    rotation: tf.tensor2d(rotationMatrix(size), [size, size]),
  };
}

/** Rows for a batch: at `positions` int32 [B,T], or at 0..T-1 in each of `batch` sequences, T the table's length. */
export function rotaryAt(table: RotaryTable, batch: number, positions?: tf.Tensor2D): Rotary {
  const size = table.rotation.shape[0];
  const pick = (rows: tf.Tensor2D): tf.Tensor2D => {
    const picked = positions
      ? tf.gather(rows, tf.reshape(positions, [positions.size]))
      : tf.tile(rows, [batch, 1]);
    return tf.reshape(picked, [picked.size / size, size]);
  };
  return { cos: pick(table.cos), sin: pick(table.sin), rotation: table.rotation };
}

/** x [rows, head width]. */
export function rotate(x: tf.Tensor2D, { cos, sin, rotation }: Rotary): tf.Tensor2D {
  return tf.add(tf.mul(x, cos), tf.mul(tf.matMul(x, rotation), sin));
}

/** Gradient of `rotate` with respect to x. */
export function rotateGradient(dy: tf.Tensor2D, { cos, sin, rotation }: Rotary): tf.Tensor2D {
  return tf.add(tf.mul(dy, cos), tf.matMul(tf.mul(dy, sin) as tf.Tensor2D, rotation, false, true));
}

function rotationMatrix(size: number): Float32Array {
  const half = size / 2;
  const matrix = new Float32Array(size * size);
  for (let j = 0; j < half; j++) {
    matrix[(j + half) * size + j] = -1;
    matrix[j * size + j + half] = 1;
  }
  return matrix;
}

interface HostTable {
  cos: Float32Array;
  sin: Float32Array;
}

/** Computed once per config: a pure function of it, kept only to spare every step the cosines. */
const hostTables = new WeakMap<ModelConfig, HostTable>();

function hostTable(config: ModelConfig): HostTable {
  const known = hostTables.get(config);
  if (known) return known;
  const { contextLength, heads, kvHeads, ropeTheta } = config;
  const size = headWidth(config);
  const row = (heads + 2 * kvHeads) * size;
  const cos = new Float32Array(contextLength * row).fill(1);
  const sin = new Float32Array(contextLength * row);
  for (let position = 0; position < contextLength; position++) {
    for (let i = 0; i < (heads + kvHeads) * size; i++) {
      const scale = i < heads * size ? 1 / Math.sqrt(size) : 1;
      const angle = position * ropeTheta ** ((-2 * (i % (size / 2))) / size);
      cos[position * row + i] = scale * Math.cos(angle);
      sin[position * row + i] = scale * Math.sin(angle);
    }
  }
  const table = { cos, sin };
  hostTables.set(config, table);
  return table;
}
