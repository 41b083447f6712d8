import { READINGS, type SafeTensor } from './safetensors-dtypes.ts';
import { readSafetensorsHeader, type SafetensorsEntry, safetensorsHeaderEnd } from './safetensors-header.ts';

export interface DecodedSafetensors {
  tensors: Record<string, SafeTensor>;
  metadata: Record<string, string>;
}

/**
 * Decodes and validates the safetensors format (https://huggingface.co/docs/safetensors, "Format"). Arrays are
 * views of `bytes` wherever the alignment allows it, else copies; F16 and BF16 become float32. Throws
 * `invalid_data` naming the tensor (`param`) for whatever the format forbids, and for the dtypes that have no
 * array here (F8 and smaller, complex).
 */
export function decodeSafetensors(bytes: Uint8Array): DecodedSafetensors {
  const end = safetensorsHeaderEnd(bytes, bytes.byteLength);
  const { entries, metadata } = readSafetensorsHeader(bytes, bytes.byteLength, end);
  const data = bytes.subarray(end);
  return {
    tensors: Object.fromEntries(entries.map((entry) => [entry.name, readTensor(entry, data)])),
    metadata,
  };
}

function readTensor({ code, shape, begin, end }: SafetensorsEntry, data: Uint8Array): SafeTensor {
  return { ...readValues(code, data.subarray(begin, end)), shape } as SafeTensor;
}

/**
 * The values of a dtype code in some of a tensor's bytes: a view of them where the alignment allows it; 16-bit floats
 * become float32.
 */
export function readValues(code: string, bytes: Uint8Array): Pick<SafeTensor, 'dtype' | 'data'> {
  const { dtype, array, widen } = READINGS.get(code)!;
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  const values = new array(aligned.buffer, aligned.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
  return { dtype, data: widen ? widen(values as Uint16Array) : values } as Pick<SafeTensor, 'dtype' | 'data'>;
}
