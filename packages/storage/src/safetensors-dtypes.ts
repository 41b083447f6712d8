import { fromBfloat16, fromFloat16 } from './half-precision.ts';

/** What the values of each dtype are held in; `bool` as bytes 0 and 1. */
interface TensorArrays {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

type Dtype = keyof TensorArrays;
type TensorArray = TensorArrays[Dtype];

/** Values in row-major order; `shape` has one entry per dimension and is [] for a scalar. */
export type SafeTensor = {
  [D in Dtype]: { dtype: D; shape: readonly number[]; data: TensorArrays[D] };
}[Dtype];

interface ArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TensorArray;
}

/** How the file names a dtype, and the array that its bytes are a view of. Numbers are little-endian. */
export const STORED: Readonly<Record<Dtype, { code: string; array: ArrayClass }>> = {
  float32: { code: 'F32', array: Float32Array },
  float64: { code: 'F64', array: Float64Array },
  int8: { code: 'I8', array: Int8Array },
  uint8: { code: 'U8', array: Uint8Array },
  int16: { code: 'I16', array: Int16Array },
  uint16: { code: 'U16', array: Uint16Array },
  int32: { code: 'I32', array: Int32Array },
  uint32: { code: 'U32', array: Uint32Array },
  int64: { code: 'I64', array: BigInt64Array },
  uint64: { code: 'U64', array: BigUint64Array },
  bool: { code: 'BOOL', array: Uint8Array },
};

interface Reading {
  dtype: Dtype;
  array: ArrayClass;
  /** For formats without a typed array: their bits to numbers. */
  widen?: (bits: Uint16Array) => Float32Array;
}

/** What each dtype code of a file is read as; 16-bit floats become float32, which holds all of their values. */
export const READINGS: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ...Object.entries(STORED).map(([dtype, { code, array }]): [string, Reading] => [
    code,
    { dtype: dtype as Dtype, array },
  ]),
  ['F16', { dtype: 'float32', array: Uint16Array, widen: fromFloat16 }],
  ['BF16', { dtype: 'float32', array: Uint16Array, widen: fromBfloat16 }],
]);
