import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { registerBatchMatMul } from './wasm/batch-mat-mul.ts';
import { registerUnsortedSegmentSum } from './wasm/unsorted-segment-sum.ts';

const require = createRequire(import.meta.url);

/** tfjs-core's CommonJS main registers no gradients; tfjs-layers registers all of them as a side effect. */
function registerGradients(): void {
  require('@tensorflow/tfjs-layers');
}

/** @throws Error if the WebAssembly module cannot be started. */
export async function loadWasm(): Promise<void> {
  registerGradients();
  require('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly module did not start');
  registerUnsortedSegmentSum();
  registerBatchMatMul();
}

export async function loadCpu(): Promise<void> {
  registerGradients();
  require('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  // Its first use would advise on stderr to install tfjs-node.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
}
