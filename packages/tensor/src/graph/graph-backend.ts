import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { GraphBuilder, Output } from './graph-builder.ts';

interface Symbol {
  output: Output;
  /** The state variable that the tensor is a read of, or that it leaves changed in place. */
  variable?: Variable;
  /** The variable holds this value already: nothing has to be assigned. */
  inPlace?: boolean;
  /** The matrix that this is the transpose of: a product takes that one instead. */
  transposeOf?: Output;
  references: number;
}

/** A variable of the graph, which outlives each run of it. */
export interface Variable {
  handle: Output;
  read: Output;
}

const outside = (): never => {
  throw new TrainyardError(
    'internal',
    'A compiled step uses a tensor that was made outside of it: pass it as state or as an input.',
  );
};

/**
 * A TensorFlow.js backend that computes nothing: each kernel adds a node to `graph`, and a tensor stands for a node's
 * output. Shapes are known, values are not; reading one is an error, as what it decides would be frozen into the graph.
 */
export class GraphBackend extends tf.KernelBackend {
  readonly graph: GraphBuilder;
  readonly device: 'cpu' | 'gpu';
  readonly #symbols: tf.DataStorage<Symbol>;

  constructor(graph: GraphBuilder, device: 'cpu' | 'gpu') {
    super();
    this.graph = graph;
    this.device = device;
    this.#symbols = new tf.DataStorage(this, { moveData: outside });
  }

  /** A tensor for an output of the graph. */
  symbol(
    output: Output,
    shape: number[],
    dtype: tf.DataType,
    origin: Omit<Symbol, 'output' | 'references'> = {},
  ): tf.TensorInfo {
    const dataId = {};
    this.#symbols.set(dataId, { output, references: 1, ...origin });
    return { dataId, shape, dtype };
  }

  get({ dataId }: tf.TensorInfo): Readonly<Symbol> {
    return this.#symbols.get(dataId);
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    return this.symbol(this.graph.constant(values as Float32Array, shape, dtype), shape, dtype).dataId;
  }

  override readSync(): never {
    throw new TrainyardError('internal', 'A compiled step looks at the value of a tensor while it is built.');
  }

  override async read(): Promise<never> {
    return this.readSync();
  }

  override move(): never {
    return outside();
  }

  override refCount(dataId: tf.DataId): number {
    return this.#symbols.has(dataId) ? this.#symbols.get(dataId).references : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.#symbols.get(dataId).references += 1;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#symbols.has(dataId)) return true;
    const symbol = this.#symbols.get(dataId);
    symbol.references -= 1;
    if (symbol.references > 0 && !force) return false;
    return this.#symbols.delete(dataId);
  }

  override numDataIds(): number {
    return this.#symbols.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {}
}
