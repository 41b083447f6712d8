// Run by gradients.test.ts in a process of its own for each backend; prints one line of JSON.
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendPreference } from '../src/index.ts';
import { loadBackend, tensorCount } from '../src/index.ts';

// As on Node 23 and later, also where this runs on an older one.
const require = createRequire(import.meta.url);
for (const name of ['isNullOrUndefined', 'isArray']) Reflect.deleteProperty(require('node:util'), name);

const info = await loadBackend({ prefer: process.argv[2] as BackendPreference, threads: 1 });
const before = tensorCount();

/** Sum of squares of the rows [0, 2, 2] of table (3 x 2) times weights (2 x 2). */
const objective = (table: tf.Tensor, weights: tf.Tensor): tf.Scalar => {
  const rows = tf.gather(table, tf.tensor1d([0, 2, 2], 'int32'));
  return tf.sum(tf.square(tf.matMul(rows as tf.Tensor2D, weights as tf.Tensor2D)));
};
const gradients = tf.tidy(() => {
  const table = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
  const weights = tf.tensor2d([1, 0, 1, 2], [2, 2]);
  return tf
    .grads(objective)([table, weights])
    .map((gradient) => gradient.arraySync());
});

const commonJs = require('@tensorflow/tfjs-core');
const oneInstance = commonJs.engine() === tf.engine() && commonJs.Tensor === tf.Tensor;
console.log(
  JSON.stringify({ info, gradients, oneInstance, leaked: tensorCount() - before, backend: tf.getBackend() }),
);
