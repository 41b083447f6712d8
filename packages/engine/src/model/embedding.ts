import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.ts';

/** Rows of `table` [V,d] for `tokens` int32 [N]: [N,d]. */
export function embedding(table: tf.Tensor, tokens: tf.Tensor1D): tf.Tensor2D {
  return withGradient<tf.Tensor2D>([table], (save) => {
    save([tokens]);
    const rows = table.shape[0]!;
    return {
      value: tf.gather(table as tf.Tensor2D, tokens),
      gradient: (dy, [ids]) => [tf.unsortedSegmentSum(dy, ids as tf.Tensor1D, rows)],
    };
  });
}
