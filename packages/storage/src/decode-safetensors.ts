import { TrainyardError } from '@trainyard/contracts';
import { findDuplicateKey } from './find-duplicate-key.ts';
import { READINGS, type SafeTensor } from './safetensors-dtypes.ts';

/** The limit of the format's reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

export interface DecodedSafetensors {
  tensors: Record<string, SafeTensor>;
  metadata: Record<string, string>;
}

/** Where a tensor lies in the data that follows the header: bytes begin ..< end. */
interface Entry {
  name: string;
  code: string;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Decodes and validates the safetensors format (https://huggingface.co/docs/safetensors, "Format"). Arrays are
 * views of `bytes` wherever the alignment allows it, else copies; F16 and BF16 become float32. Throws
 * `invalid_data` naming the tensor (`param`) for whatever the format forbids, and for the dtypes that have no
 * array here (F8 and smaller, complex).
 */
export function decodeSafetensors(bytes: Uint8Array): DecodedSafetensors {
  const { header, data } = parseHeader(bytes);
  const { __metadata__: metadata = {}, ...tensors } = header;
  if (!isRecord(metadata)) fail('__metadata__ is not an object');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') fail(`the value of "${key}" in __metadata__ is not a string`);
  }
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value));
  assertTiling(entries, data.byteLength);
  return {
    tensors: Object.fromEntries(entries.map((entry) => [entry.name, readTensor(entry, data)])),
    metadata: metadata as Record<string, string>,
  };
}

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.byteLength < 8) fail(`${bytes.byteLength} bytes cannot hold the 8-byte header length`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) fail(`a header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  const end = 8 + Number(length);
  if (end > bytes.byteLength) {
    fail(`the header should end at byte ${end}, but there are only ${bytes.byteLength} bytes`);
  }
  if (bytes[8] !== 0x7b || length === 0n) fail('the header does not begin with {');
  let json: string;
  let header: unknown;
  try {
    json = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, end));
    header = JSON.parse(json);
  } catch (cause) {
    return fail(`the header is not JSON in UTF-8 (${(cause as Error).message})`);
  }
  const duplicate = findDuplicateKey(json);
  if (duplicate !== undefined) fail('it occurs twice in the header', duplicate);
  return { header: header as Record<string, unknown>, data: bytes.subarray(end) };
}

function parseEntry(name: string, value: unknown): Entry {
  if (!isRecord(value)) return fail('its header entry is not an object', name);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !READINGS.has(dtype)) {
    return fail(`its dtype ${JSON.stringify(dtype)} is none of ${[...READINGS.keys()].join(', ')}`, name);
  }
  if (!isSizes(shape)) return fail(`its shape ${JSON.stringify(shape)} is not a list of sizes`, name);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail(`its data_offsets ${JSON.stringify(offsets)} are not [begin, end]`, name);
  }
  const [begin, end] = offsets as [number, number];
  const needed = shape.reduce(
    (product, size) => product * size,
    READINGS.get(dtype)!.array.BYTES_PER_ELEMENT,
  );
  if (needed !== end - begin) {
    fail(
      `${dtype} of shape [${shape}] needs ${needed} bytes, but its data_offsets span ${end - begin}`,
      name,
    );
  }
  return { name, code: dtype, shape, begin, end };
}

/** The tensors have to cover the data without gap, overlap or rest, so that no byte has two meanings or none. */
function assertTiling(entries: Entry[], dataBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const problem = begin < covered ? 'overlaps the one before it' : 'leaves a gap before it';
      fail(`it begins at byte ${begin} of the data and ${problem}, which ends at ${covered}`, name);
    }
    if (end > dataBytes) fail(`it ends at byte ${end}, but there are only ${dataBytes} bytes of data`, name);
    covered = end;
  }
  if (covered < dataBytes) fail(`${dataBytes - covered} bytes of data after the last tensor belong to none`);
}

function readTensor({ code, shape, begin, end }: Entry, data: Uint8Array): SafeTensor {
  const { dtype, array, widen } = READINGS.get(code)!;
  const aligned = (data.byteOffset + begin) % array.BYTES_PER_ELEMENT === 0;
  const bytes = aligned ? data.subarray(begin, end) : data.slice(begin, end);
  const values = new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
  return { dtype, shape, data: widen ? widen(values as Uint16Array) : values } as SafeTensor;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function fail(problem: string, name?: string): never {
  throw new TrainyardError(
    'invalid_data',
    name === undefined
      ? `Not a valid safetensors file: ${problem}.`
      : `Tensor "${name}" is not valid: ${problem}.`,
    name === undefined ? {} : { param: name },
  );
}
