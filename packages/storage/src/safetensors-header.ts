import { TrainyardError } from '@trainyard/contracts';
import { findDuplicateKey } from './find-duplicate-key.ts';
import { READINGS } from './safetensors-dtypes.ts';

/** The limit of the format's reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

/** Where a tensor lies in the data that follows the header: bytes begin ..< end. */
export interface SafetensorsEntry {
  name: string;
  /** As the file spells it: F32, BF16, ... */
  code: string;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  entries: SafetensorsEntry[];
  metadata: Record<string, string>;
  /** Where the data begins in the file. */
  dataStart: number;
}

/**
 * Where the header ends in a file of `fileBytes` whose first eight bytes are `start`.
 * Throws `invalid_data` for a header that the file cannot hold, or beyond `maxHeaderBytes`.
 */
export function safetensorsHeaderEnd(
  start: Uint8Array,
  fileBytes: number,
  maxHeaderBytes = MAX_HEADER_BYTES,
): number {
  if (fileBytes < 8 || start.byteLength < 8) fail(`${fileBytes} bytes cannot hold the 8-byte header length`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > maxHeaderBytes) fail(`a header of ${length} bytes is over the limit of ${maxHeaderBytes}`);
  const end = 8 + Number(length);
  if (end > fileBytes) fail(`the header should end at byte ${end}, but there are only ${fileBytes} bytes`);
  return end;
}

/**
 * Reads and validates the header of a safetensors file; `head` holds at least the file's first `end` bytes (see
 * `safetensorsHeaderEnd`). Throws `invalid_data` naming the tensor (`param`) for whatever the format forbids: offsets
 * that leave the file, overlap or leave gaps, sizes that contradict the shape, a name that occurs twice.
 */
export function readSafetensorsHeader(head: Uint8Array, fileBytes: number, end: number): SafetensorsHeader {
  const { __metadata__: metadata = {}, ...tensors } = parseJson(head.subarray(8, end));
  if (!isRecord(metadata)) fail('__metadata__ is not an object');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') fail(`the value of "${key}" in __metadata__ is not a string`);
  }
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value));
  assertTiling(entries, fileBytes - end);
  return { entries, metadata: metadata as Record<string, string>, dataStart: end };
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) fail('the header does not begin with {');
  let json: string;
  let header: unknown;
  try {
    json = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(json);
  } catch (cause) {
    return fail(`the header is not JSON in UTF-8 (${(cause as Error).message})`);
  }
  const duplicate = findDuplicateKey(json);
  if (duplicate !== undefined) fail('it occurs twice in the header', duplicate);
  return header as Record<string, unknown>;
}

function parseEntry(name: string, value: unknown): SafetensorsEntry {
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
function assertTiling(entries: SafetensorsEntry[], dataBytes: number): void {
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
