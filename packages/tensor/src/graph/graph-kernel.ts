import type * as tf from '@tensorflow/tfjs-core';
import type { GraphBackend } from './graph-backend.ts';
import type { Attributes, Output } from './graph-builder.ts';

export type Infos = Record<string, tf.TensorInfo>;
export type Kernel = (at: {
  graph: GraphBackend;
  inputs: Infos;
  list: tf.TensorInfo[];
  attrs: tf.NamedAttrMap;
}) => tf.TensorInfo | tf.TensorInfo[];

interface Emission {
  inputs: (tf.TensorInfo | Output)[];
  shape: number[];
  dtype: tf.DataType;
  attributes: Attributes;
}

/** Adds a node of one output. */
export function emit(
  backend: GraphBackend,
  op: string,
  { inputs, shape, dtype, attributes }: Emission,
): tf.TensorInfo {
  const outputs = inputs.map((input) => (typeof input === 'string' ? input : backend.get(input).output));
  return backend.symbol(backend.graph.add(op, outputs, attributes), shape, dtype);
}
