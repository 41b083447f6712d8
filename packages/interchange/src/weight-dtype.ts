import { type ExportDtype, TrainyardError } from '@trainyard/contracts';
import { FLOAT16_MAX, toBfloat16, toFloat16 } from '@trainyard/storage';
import type { Weights } from './checkpoint-content.ts';

/** How each dtype is named in safetensors, in config.json and in ggml, and its size in bytes. */
export const WEIGHT_DTYPES: Readonly<
  Record<ExportDtype, { code: string; torch: string; ggml: number; bytes: number }>
> = {
  f32: { code: 'F32', torch: 'float32', ggml: 0, bytes: 4 },
  f16: { code: 'F16', torch: 'float16', ggml: 1, bytes: 2 },
  bf16: { code: 'BF16', torch: 'bfloat16', ggml: 30, bytes: 2 },
};

const PIECE_VALUES = 2 ** 20;

/** Values as little-endian bytes of a dtype, a piece at a time. */
export function* narrow(values: Float32Array, dtype: ExportDtype): Generator<Uint8Array> {
  for (let start = 0; start < values.length; start += PIECE_VALUES) {
    const piece = values.subarray(start, start + PIECE_VALUES);
    const array = dtype === 'f32' ? piece : dtype === 'f16' ? toFloat16(piece) : toBfloat16(piece);
    yield new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  }
}

/** Throws `incompatible_checkpoint` naming the tensor whose values binary16 would turn into infinities. */
export function checkRange(weights: Weights, dtype: ExportDtype): void {
  if (dtype !== 'f16') return;
  for (const [name, { data }] of Object.entries(weights)) {
    let beyond: number | undefined;
    for (let i = 0; i < data.length; i++) if (Math.abs(data[i]!) > FLOAT16_MAX) beyond = data[i];
    if (beyond !== undefined)
      throw new TrainyardError(
        'incompatible_checkpoint',
        `Tensor "${name}" holds ${beyond}, but f16 ends at ${FLOAT16_MAX}; export as bf16 or f32.`,
        { param: 'dtype' },
      );
  }
}
