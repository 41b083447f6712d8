import * as tf from '@tensorflow/tfjs-core';

/** A tensor in ordinary memory, row-major: what checkpoints are made of. */
export interface HostTensor {
  dtype: 'float32' | 'int32';
  shape: number[];
  data: Float32Array | Int32Array;
}

export type HostTensors = Record<string, HostTensor>;

/** Reads tensors back into arrays of their own, so that later training steps cannot change the snapshot. */
export async function toHost(tensors: ReadonlyMap<string, tf.Tensor>): Promise<HostTensors> {
  const host: HostTensors = {};
  for (const [name, tensor] of tensors) {
    const data = (await tensor.data()).slice() as Float32Array | Int32Array;
    host[name] = { dtype: tensor.dtype as HostTensor['dtype'], shape: tensor.shape.slice(), data };
  }
  return host;
}

/** Uploads a host tensor; the caller owns the result. */
export function fromHost({ data, shape, dtype }: HostTensor): tf.Tensor {
  return tf.tensor(data, shape, dtype);
}
