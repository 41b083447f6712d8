import * as tf from '@tensorflow/tfjs-core';
import { headWidth, type ModelConfig } from './model-config.ts';

/**
 * Rotary positions as products of complex numbers (Su et al. 2021, section 3.2.1): the two parts of a number, which the
 * rotate-half convention keeps half a head apart, lie side by side. Queries and keys may both be reordered so, since
 * their products are sums over a head.
 */

/** Rows of a projection [heads * head width, in] in that order, int32. */
export function pairedHead(config: ModelConfig, heads: number): tf.Tensor1D {
  const size = headWidth(config);
  const rows = Int32Array.from({ length: heads * size }, (_, i) => {
    const within = i % size;
    return i - within + (within % 2) * (size / 2) + Math.floor(within / 2);
  });
  return tf.tensor1d(rows, 'int32');
}

/**
 * What joined queries, keys and values are multiplied with at each position, [context, (heads + 2 * kvHeads) * head
 * width]: e^(i * angle), for queries over sqrt(head width); values stay as they are.
 */
export function pairedRotaryTable(config: ModelConfig): tf.Tensor2D {
  const { heads, kvHeads, contextLength, ropeTheta } = config;
  const size = headWidth(config);
  const columns = (heads + 2 * kvHeads) * size;
  const table = new Float32Array(contextLength * columns);
  for (let position = 0; position < contextLength; position++) {
    for (let column = 0; column < columns; column += 2) {
      const head = Math.floor(column / size);
      const scale = head < heads ? 1 / Math.sqrt(size) : 1;
      const turns = head < heads + kvHeads ? position : 0;
      const angle = turns * ropeTheta ** (-(column % size) / size);
      table[position * columns + column] = scale * Math.cos(angle);
      table[position * columns + column + 1] = scale * Math.sin(angle);
    }
  }
  return tf.tensor2d(table, [contextLength, columns]);
}
