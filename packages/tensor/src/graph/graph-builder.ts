import { createRequire } from 'node:module';
import type * as tf from '@tensorflow/tfjs-core';

/** One output of a node: `name:index`. `^name` is a control input. */
export type Output = string;

/** The name of the node whose output it is. */
export const nodeOf = (output: Output): string => output.slice(0, output.lastIndexOf(':'));

/** The input that makes a node wait for another one. */
export const control = (output: Output): Output => `^${nodeOf(output)}`;

export type Attribute =
  | { type: tf.DataType }
  | { int: number }
  | { bool: boolean }
  | { string: string }
  | { values: Values; shape: number[]; dtype: tf.DataType }
  | { shape: number[] };
export type Attributes = Record<string, Attribute>;

type Values = Float32Array | Int32Array | Uint8Array;

/** TensorFlow's numbers for data types (types.proto). */
const TYPE: Partial<Record<tf.DataType, number>> = { float32: 1, int32: 3, complex64: 8, bool: 10 };
/** Constants up to so many bytes are shared. */
const SHARED_BYTES = 256;

/** The generated protobuf classes that tfjs-node ships, as far as they are used here. */
interface Message {
  serializeBinary(): Uint8Array;
  [method: string]: (...args: unknown[]) => unknown;
}
type MessageClass = new () => Message;
type Protobuf = Record<
  'SavedModel' | 'GraphDef' | 'NodeDef' | 'AttrValue' | 'Tensor' | 'TensorShape' | 'VersionDef',
  MessageClass
> & {
  MetaGraphDef: MessageClass & { MetaInfoDef: MessageClass };
  TensorShape: MessageClass & { Dim: MessageClass };
};

/** GraphDef versions that TensorFlow 2.5 and later read (versions.h: TF_GRAPH_DEF_VERSION). */
const PRODUCER = 1882;

/** Collects the nodes of a TensorFlow graph (graph.proto) and writes them as a SavedModel without variables. */
export class GraphBuilder {
  readonly #pb: Protobuf;
  readonly #graph: Message;
  readonly #shared = new Map<string, Output>();
  #count = 0;

  constructor(tfjsNodePackage: string) {
    const generated = createRequire(import.meta.url)(`${tfjsNodePackage}/dist/proto/api_pb`);
    this.#pb = (generated.tensorflow ?? generated) as Protobuf;
    this.#graph = new this.#pb.GraphDef();
  }

  get nodeCount(): number {
    return this.#count;
  }

  /** Adds a node; returns its first output. */
  add(op: string, inputs: Output[], attributes: Attributes = {}, name = `${op}_${this.#count}`): Output {
    const node = new this.#pb.NodeDef();
    node.setName!(name);
    node.setOp!(op);
    node.setInputList!(inputs);
    const map = node.getAttrMap!() as Map<string, Message>;
    for (const [key, attribute] of Object.entries(attributes)) map.set(key, this.#attribute(attribute));
    this.#graph.addNode!(node);
    this.#count += 1;
    return `${name}:0`;
  }

  constant(values: Values, shape: number[], dtype: tf.DataType): Output {
    const key = values.byteLength <= SHARED_BYTES ? `${dtype}[${shape}]${values}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known) return known;
    const output = this.add('Const', [], { dtype: { type: dtype }, value: { values, shape, dtype } });
    if (key !== undefined) this.#shared.set(key, output);
    return output;
  }

  /** int32 vector, as axes and shapes are given to nodes. */
  ints(values: readonly number[]): Output {
    return this.constant(Int32Array.from(values), [values.length], 'int32');
  }

  int(value: number): Output {
    return this.constant(Int32Array.of(value), [], 'int32');
  }

  /** The bytes of `saved_model.pb` (saved_model.proto), tagged `serve`. */
  toSavedModel(): Uint8Array {
    const versions = new this.#pb.VersionDef();
    versions.setProducer!(PRODUCER);
    this.#graph.setVersions!(versions);
    const info = new this.#pb.MetaGraphDef.MetaInfoDef();
    info.addTags!('serve');
    const metaGraph = new this.#pb.MetaGraphDef();
    metaGraph.setMetaInfoDef!(info);
    metaGraph.setGraphDef!(this.#graph);
    const model = new this.#pb.SavedModel();
    model.setSavedModelSchemaVersion!(1);
    model.addMetaGraphs!(metaGraph);
    return model.serializeBinary();
  }

  #attribute(attribute: Attribute): Message {
    const value = new this.#pb.AttrValue();
    if ('type' in attribute) value.setType!(typeNumber(attribute.type));
    else if ('int' in attribute) value.setI!(attribute.int);
    else if ('bool' in attribute) value.setB!(attribute.bool);
    else if ('string' in attribute) value.setS!(Buffer.from(attribute.string));
    else if ('values' in attribute) value.setTensor!(this.#tensor(attribute));
    else value.setShape!(this.#shape(attribute.shape));
    return value;
  }

  #tensor({ values, shape, dtype }: { values: Values; shape: number[]; dtype: tf.DataType }): Message {
    const tensor = new this.#pb.Tensor();
    tensor.setDtype!(typeNumber(dtype));
    tensor.setTensorShape!(this.#shape(shape));
    tensor.setTensorContent!(new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice());
    return tensor;
  }

  #shape(shape: number[]): Message {
    const message = new this.#pb.TensorShape();
    for (const size of shape) {
      const dimension = new this.#pb.TensorShape.Dim();
      dimension.setSize!(size);
      message.addDim!(dimension);
    }
    return message;
  }
}

function typeNumber(dtype: tf.DataType): number {
  const number = TYPE[dtype];
  if (number === undefined) throw new Error(`a compiled step has no ${dtype} tensors`);
  return number;
}
