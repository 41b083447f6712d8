import * as tf from '@tensorflow/tfjs-core';
import type { WasmBackend } from './wasm-backend.ts';

/**
 * UnsortedSegmentSum, which tfjs-backend-wasm lacks: the gradient of `gather`.
 * x [n, ...inner], segmentIds int32 [n] -> [numSegments, ...inner]; rows with a negative id are left out.
 */
export function registerUnsortedSegmentSum(): void {
  tf.registerKernel({
    kernelName: 'UnsortedSegmentSum',
    backendName: 'wasm',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
      const { numSegments } = attrs as unknown as { numSegments: number };
      const wasm = backend as WasmBackend;
      const [rows = 1, ...inner] = x.shape;
      const width = tf.util.sizeFromShape(inner);
      const out = wasm.makeOutput([numSegments, ...inner], x.dtype);
      // Views of the heap: taken after makeOutput, which may grow (and so replace) it.
      const values = wasm.typedArrayFromHeap(x);
      const ids = wasm.typedArrayFromHeap(segmentIds);
      const sums = wasm.typedArrayFromHeap(out).fill(0);
      for (let row = 0; row < rows; row++) {
        const id = ids[row]!;
        if (id < 0 || id >= numSegments) continue;
        for (let i = 0; i < width; i++) sums[id * width + i]! += values[row * width + i]!;
      }
      return out;
    },
  });
}
