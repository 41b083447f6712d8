import * as tf from '@tensorflow/tfjs-core';
import type { WasmBackend } from './wasm-backend.ts';
import { wasmBackend } from './wasm-backend.ts';

/** Below this many rows, packing and transposing cost more than the product itself (decoding with a KV cache). */
const SMALL_M = 8;
/** Ids of the views of one product, [a, b, out]; the backend counts its own ids up from 0. */
const VIEW_IDS = [2 ** 30, 2 ** 30 + 1, 2 ** 30 + 2] as const;

interface Product {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
}

const outerShape = (x: tf.TensorInfo): number[] => x.shape.slice(0, -2);
const batchOf = (x: tf.TensorInfo): number => tf.util.sizeFromShape(outerShape(x));
const shapeBytes = (shape: number[]): Uint8Array => new Uint8Array(new Int32Array(shape).buffer);
const broadcastOuterShape = ({ a, b }: Pick<Product, 'a' | 'b'>): number[] =>
  tf.broadcast_util.assertAndGetBroadcastShape(outerShape(a), outerShape(b));

/** Whether the stock kernel is faster, or the only one that knows (or refuses) such operands. */
function isForStock(product: Product): boolean {
  const { a, b, transposeA, transposeB } = product;
  const batches = [batchOf(a), batchOf(b)];
  const batch = tf.util.sizeFromShape(broadcastOuterShape(product));
  const rows = a.shape.at(transposeA ? -1 : -2)!;
  const slowToPrepare = rows < SMALL_M && (transposeB || batch > 1);
  const broadcastInParts = batches.some((size) => size !== 1 && size !== batch);
  return slowToPrepare || broadcastInParts || a.dtype !== 'float32' || b.dtype !== 'float32';
}

/**
 * Replaces the wasm backend's BatchMatMul. The stock kernel uses XNNPACK only for one untransposed product and scalar
 * loops for all others, which every gradient of a product is; this one transposes first and gives XNNPACK one
 * product at a time, through views into the batch (5 to 8 times as fast in training).
 */
export function registerBatchMatMul(): void {
  const backend = wasmBackend();
  const stock = tf.getKernel('BatchMatMul', 'wasm').kernelFunc;
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc;
  const product = productOf(backend);

  const swapped = (x: tf.TensorInfo): tf.TensorInfo => {
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    const flat = { dataId: x.dataId, dtype: x.dtype, shape: [batchOf(x), rows, columns] };
    const attrs = { perm: [0, 2, 1] } as unknown as tf.NamedAttrMap;
    const result = transpose({ inputs: { x: flat }, backend, attrs }) as tf.TensorInfo;
    return { ...result, shape: [...x.shape.slice(0, -2), columns, rows] };
  };

  const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => {
    const operands = { ...inputs, ...attrs } as unknown as Product;
    if (isForStock(operands)) return stock({ inputs, backend, attrs: attrs! });
    const { a, b, transposeA, transposeB } = operands;
    const left = transposeA ? swapped(a) : a;
    const right = transposeB ? swapped(b) : b;
    const out = product(left, right);
    if (transposeA) backend.disposeData(left.dataId);
    if (transposeB) backend.disposeData(right.dataId);
    return out;
  };
  tf.unregisterKernel('BatchMatMul', 'wasm');
  tf.registerKernel({ kernelName: 'BatchMatMul', backendName: 'wasm', kernelFunc });
}

/** a [..., M, K] times b [..., K, N], the batch of one of them broadcast whole -> [..., M, N]. */
function productOf(backend: WasmBackend): (a: tf.TensorInfo, b: tf.TensorInfo) => tf.TensorInfo {
  const { tfjs, cwrap } = backend.wasm;
  // id, shape and rank of a and of b; transposeA, transposeB, id of the result
  const parameters = 'number array number number array number number number number'.split(' ');
  const matMul = cwrap('BatchMatMul', null, parameters);

  return (a, b) => {
    const [m, k] = a.shape.slice(-2) as [number, number];
    const n = b.shape.at(-1)!;
    const out = backend.makeOutput([...broadcastOuterShape({ a, b }), m, n], 'float32');
    const [shapeA, shapeB] = [shapeBytes([1, m, k]), shapeBytes([1, k, n])];
    const data = [a, b, out].map((x) => backend.dataIdMap.get(x.dataId));
    const ids = data.map((x) => x.id);
    const batch = batchOf(out);
    if (batch === 1) {
      // By b's own id XNNPACK keeps it packed from call to call.
      matMul(ids[0], shapeA, 3, ids[1], shapeB, 3, 0, 0, ids[2]);
      return out;
    }

    const sizes = [m * k, k * n, m * n];
    const isBatched = [batchOf(a) > 1, batchOf(b) > 1, true];
    for (let i = 0; i < batch; i++) {
      VIEW_IDS.forEach((id, operand) => {
        const offset = isBatched[operand] ? i * sizes[operand]! * Float32Array.BYTES_PER_ELEMENT : 0;
        tfjs.registerTensor(id, sizes[operand]!, data[operand]!.memoryOffset + offset);
      });
      matMul(VIEW_IDS[0], shapeA, 3, VIEW_IDS[1], shapeB, 3, 0, 0, VIEW_IDS[2]);
      for (const id of VIEW_IDS) tfjs.disposeData(id);
    }
    return out;
  };
}
