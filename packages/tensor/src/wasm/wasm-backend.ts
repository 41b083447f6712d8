import * as tf from '@tensorflow/tfjs-core';

/** The part of tfjs-backend-wasm's backend that its kernels, and those here, use. */
export interface WasmBackend extends tf.KernelBackend {
  wasm: {
    cwrap(name: string, returns: null, parameters: string[]): (...args: unknown[]) => void;
    tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
  };
  dataIdMap: { get(dataId: tf.DataId): { id: number; memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
  disposeData(dataId: tf.DataId): boolean;
}

export const wasmBackend = (): WasmBackend => tf.backend() as WasmBackend;
