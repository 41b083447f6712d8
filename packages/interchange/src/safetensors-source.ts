import { TrainyardError } from '@trainyard/contracts';
import {
  readSafetensorsHeader,
  readValues,
  type SafetensorsEntry,
  safetensorsHeaderEnd,
} from '@trainyard/storage';
import type { FolderFile } from './folder-files.ts';

/** Far more than the tensors of any Llama need; keeps a header that lies from filling the memory. */
const MAX_HEADER_BYTES = 16 * 2 ** 20;
/** A whole number of values of every dtype. */
const PIECE_BYTES = 4 * 2 ** 20;
const FLOATS = new Set(['F32', 'F16', 'BF16']);

/** A tensor in a file, to be read piece by piece. */
export interface SourceTensor {
  name: string;
  shape: readonly number[];
  /** Its values as float32, in order. Throws `invalid_data` naming the tensor for NaN and infinities. */
  pieces(): AsyncGenerator<Float32Array>;
}

/**
 * The tensors of a safetensors file, whose header is validated against the file's size before any of them is read.
 * Throws `invalid_data` naming the tensor (`param`), or the file where the header itself is wrong.
 */
export async function openSafetensors(fileName: string, file: FolderFile): Promise<SourceTensor[]> {
  const { entries, dataStart } = await readHeader(fileName, file);
  return entries.map((entry) => {
    if (!FLOATS.has(entry.code))
      refuse(entry.name, `has dtype ${entry.code} in ${fileName}; F32, F16 and BF16 are supported`);
    return {
      name: entry.name,
      shape: entry.shape,
      pieces: () => readPieces(file, entry, dataStart),
    };
  });
}

async function readHeader(fileName: string, file: FolderFile) {
  try {
    const start = await file.read(0, Math.min(8, file.bytes));
    const end = safetensorsHeaderEnd(start, file.bytes, MAX_HEADER_BYTES);
    return readSafetensorsHeader(await file.read(0, end), file.bytes, end);
  } catch (error) {
    if (!(error instanceof TrainyardError) || error.code !== 'invalid_data') throw error;
    throw new TrainyardError('invalid_data', `${fileName}: ${error.message}`, {
      param: error.param ?? fileName,
    });
  }
}

async function* readPieces(
  file: FolderFile,
  { name, code, begin, end }: SafetensorsEntry,
  dataStart: number,
): AsyncGenerator<Float32Array> {
  for (let at = begin; at < end; at += PIECE_BYTES) {
    const bytes = await file.read(dataStart + at, dataStart + Math.min(at + PIECE_BYTES, end));
    const values = readValues(code, bytes).data as Float32Array;
    checkFinite(name, values);
    yield values;
  }
}

/** Throws `invalid_data` naming the tensor whose values are not all finite. */
export function checkFinite(name: string, values: Float32Array): void {
  // A loop takes a tenth of the time of findIndex, and there may be billions of values.
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) refuse(name, `holds ${values[i]}; weights must be finite`);
}

function refuse(name: string, problem: string): never {
  throw new TrainyardError('invalid_data', `Tensor "${name}" ${problem}.`, { param: name });
}

/** A tensor in memory. */
export async function readWhole(tensor: SourceTensor): Promise<Float32Array> {
  const values = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
  let at = 0;
  for await (const piece of tensor.pieces()) {
    values.set(piece, at);
    at += piece.length;
  }
  return values;
}
