import * as tf from '@tensorflow/tfjs-core';
import { CROSS_ENTROPY, STATELESS_UNIFORM } from './fused.ts';

interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** The part of tfjs-node's backend that runs an op by its name. */
interface OpBackend extends tf.KernelBackend {
  binding: { TF_ATTR_TYPE: number; TF_FLOAT: number; TF_INT32: number };
  executeMultipleOutputs(
    op: string,
    attributes: Attribute[],
    inputs: tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
}

type Run = (at: {
  backend: OpBackend;
  inputs: tf.NamedTensorMap;
  attrs: tf.NamedAttrMap;
}) => tf.TensorInfo | tf.TensorInfo[];

const types = ({ binding }: OpBackend, attributes: Record<string, 'TF_FLOAT' | 'TF_INT32'>): Attribute[] =>
  Object.entries(attributes).map(([name, type]) => ({
    name,
    type: binding.TF_ATTR_TYPE,
    value: binding[type],
  }));

/** TensorFlow's ops that tfjs-node does not offer, so that eager steps compute what compiled ones do. */
const KERNELS: Record<string, Run> = {
  [CROSS_ENTROPY]: ({ backend, inputs: { logits, labels } }) =>
    backend.executeMultipleOutputs(
      CROSS_ENTROPY,
      types(backend, { T: 'TF_FLOAT', Tlabels: 'TF_INT32' }),
      [logits!, labels!],
      2,
    ),
  [STATELESS_UNIFORM]: ({ backend, inputs: { seed }, attrs }) => {
    const shape = tf.tensor1d(attrs.shape as number[], 'int32');
    const attributes = types(backend, { dtype: 'TF_FLOAT', T: 'TF_INT32', Tseed: 'TF_INT32' });
    const [uniform] = backend.executeMultipleOutputs(STATELESS_UNIFORM, attributes, [shape, seed!], 1);
    shape.dispose();
    return uniform!;
  },
};

export function registerTensorFlowKernels(): void {
  for (const [kernelName, run] of Object.entries(KERNELS))
    tf.registerKernel({
      kernelName,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, backend, attrs }) =>
        run({
          backend: backend as OpBackend,
          inputs: inputs as unknown as tf.NamedTensorMap,
          attrs: attrs ?? {},
        }),
    });
}
