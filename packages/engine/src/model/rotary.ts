import * as tf from '@tensorflow/tfjs-core';
import { headWidth, type ModelConfig } from './model-config.ts';

/**
 * Rotary positions (Su et al. 2021) in Hugging Face's rotate-half convention: x * cos + (x rotation) * sin for each
 * head. Queries are scaled by 1 / sqrt(head width) on the way.
 */
export type Rotary = {
  queries: Turn;
  keys: Turn;
  /** [head width, head width]: x rotation = (-second half of x, first half of x). */
  rotation: tf.Tensor2D;
};

/** Cosines and sines for rows of heads: one row for each token, or one for a whole sequence that all share. */
export type Turn = {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
};

/** Over positions 0..length-1, one row each: what `rotaryAt` picks from. */
export type RotaryTable = Rotary;

export function rotaryTable(config: ModelConfig, length: number): RotaryTable {
  const size = headWidth(config);
  const { queries, keys } = hostTable(config);
  const upload = (data: Float32Array, heads: number) =>
    tf.tensor2d(data.subarray(0, length * heads * size), [length, heads * size]);
  const turn = ({ cos, sin }: HostTurn, heads: number): Turn => ({
    cos: upload(cos, heads),
    sin: upload(sin, heads),
  });
  return {
    queries: turn(queries, config.heads),
    keys: turn(keys, config.kvHeads),
    rotation: tf.tensor2d(rotationMatrix(size), [size, size]),
  };
}

/** Rows for tokens at `positions` int32 [B,T], or a row for sequences at 0..T-1, T the table's length. */
export function rotaryAt(table: RotaryTable, positions?: tf.Tensor2D): Rotary {
  const pick = (rows: tf.Tensor2D): tf.Tensor2D =>
    positions ? tf.gather(rows, tf.reshape(positions, [positions.size])) : tf.reshape(rows, [1, rows.size]);
  const turn = ({ cos, sin }: Turn): Turn => ({ cos: pick(cos), sin: pick(sin) });
  return { queries: turn(table.queries), keys: turn(table.keys), rotation: table.rotation };
}

/** x [N, heads * head width]. */
export function rotate(x: tf.Tensor2D, { cos, sin }: Turn, rotation: tf.Tensor2D): tf.Tensor2D {
  const row = cos.shape[1];
  const rotated = tf.matMul(tf.reshape(x, [-1, rotation.shape[0]]), rotation);
  return tf.reshape(
    tf.add(tf.mul(tf.reshape(x, [-1, row]), cos), tf.mul(tf.reshape(rotated, [-1, row]), sin)),
    x.shape,
  );
}

/** Gradient of `rotate` with respect to x. */
export function rotateGradient(dy: tf.Tensor2D, { cos, sin }: Turn, rotation: tf.Tensor2D): tf.Tensor2D {
  const rows = tf.reshape(dy, [-1, cos.shape[1]]);
  const sines = tf.mul(rows, sin);
  const turnedBack = tf.matMul(tf.reshape(sines, [-1, rotation.shape[0]]), rotation, false, true);
  return tf.add(tf.reshape(tf.mul(rows, cos), dy.shape), tf.reshape(turnedBack, dy.shape));
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

interface HostTurn {
  cos: Float32Array;
  sin: Float32Array;
}

/** Computed once per config: a pure function of it, kept only to spare every step the cosines. */
const hostTables = new WeakMap<ModelConfig, { queries: HostTurn; keys: HostTurn }>();

function hostTable(config: ModelConfig): { queries: HostTurn; keys: HostTurn } {
  const known = hostTables.get(config);
  if (known) return known;
  const table = {
    queries: hostTurn(config, config.heads, 1 / Math.sqrt(headWidth(config))),
    keys: hostTurn(config, config.kvHeads, 1),
  };
  hostTables.set(config, table);
  return table;
}

function hostTurn(config: ModelConfig, heads: number, scale: number): HostTurn {
  const size = headWidth(config);
  const row = heads * size;
  const [cos, sin] = [
    new Float32Array(config.contextLength * row),
    new Float32Array(config.contextLength * row),
  ];
  for (let position = 0; position < config.contextLength; position++) {
    for (let i = 0; i < row; i++) {
      const angle = position * config.ropeTheta ** ((-2 * (i % (size / 2))) / size);
      cos[position * row + i] = scale * Math.cos(angle);
      sin[position * row + i] = scale * Math.sin(angle);
    }
  }
  return { cos, sin };
}
