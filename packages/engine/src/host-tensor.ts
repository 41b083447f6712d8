import * as tf from '@tensorflow/tfjs-core';

/** A tensor in ordinary memory, row-major: what checkpoints and batches are made of. */
export interface HostTensor {
  dtype: 'float32' | 'int32';
  shape: number[];
  data: Float32Array | Int32Array;
}

export type HostTensors = Record<string, HostTensor>;

export const float32 = (data: Float32Array, shape = [data.length]): HostTensor => ({
  dtype: 'float32',
  shape,
  data,
});
export const int32 = (data: Int32Array, shape = [data.length]): HostTensor => ({
  dtype: 'int32',
  shape,
  data,
});
export const scalar = (value: number): HostTensor => float32(Float32Array.of(value), []);

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

/** Uploads several; the caller disposes of them. */
export const upload = (host: HostTensors): Record<string, tf.Tensor> =>
  Object.fromEntries(Object.entries(host).map(([name, tensor]) => [name, fromHost(tensor)]));
