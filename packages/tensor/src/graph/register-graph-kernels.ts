import * as tf from '@tensorflow/tfjs-core';
import { ARITHMETIC_KERNELS } from './arithmetic-kernels.ts';
import { FUSED_KERNELS } from './fused-kernels.ts';
import type { GraphBackend } from './graph-backend.ts';
import type { Infos } from './graph-kernel.ts';
import { LAYOUT_KERNELS } from './layout-kernels.ts';

export const GRAPH_BACKEND = 'graph';

/**
 * Registers the kernels of the backend named `graph`, once per process: what the engine's operations and their
 * gradients are made of.
 */
export function registerGraphKernels(): void {
  const kernels = { ...ARITHMETIC_KERNELS, ...LAYOUT_KERNELS, ...FUSED_KERNELS };
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, GRAPH_BACKEND)) continue;
    tf.registerKernel({
      kernelName,
      backendName: GRAPH_BACKEND,
      kernelFunc: ({ inputs, backend, attrs }) => {
        const named = inputs as unknown as Infos;
        const list = (Array.isArray(inputs) ? inputs : Object.values(named)) as tf.TensorInfo[];
        return kernel({ graph: backend as GraphBackend, inputs: named, list, attrs: attrs ?? {} });
      },
    });
  }
}
