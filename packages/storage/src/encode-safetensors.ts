import { TrainyardError } from '@trainyard/contracts';
import { type SafeTensor, STORED } from './safetensors-dtypes.ts';

/**
 * Encodes tensors in the safetensors format (https://huggingface.co/docs/safetensors, "Format"): chunks to be
 * written one after the other, the header first, then views of the tensors' own memory. The same tensors and
 * metadata give the same bytes, in whatever order they are passed: wide dtypes come first, so that every
 * tensor is aligned, then names by code unit. Throws `invalid_data` for a tensor that contradicts itself.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, SafeTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const entries = Object.entries(tensors).sort(
    ([a, x], [b, y]) => y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || compare(a, b),
  );
  const chunks: Uint8Array[] = [];
  for (const [name, tensor] of entries) {
    assertConsistent(name, tensor);
    const { buffer, byteOffset, byteLength } = tensor.data;
    if (byteLength > 0) chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const layout = entries.map(([name, { dtype, shape, data }]) => ({
    name,
    code: STORED[dtype].code,
    shape,
    bytes: data.byteLength,
  }));
  return [encodeSafetensorsHeader(layout, metadata), ...chunks];
}

/**
 * The header of a file whose data are these tensors one after the other: its length as u64, then its JSON, padded with
 * spaces so that the data starts 8-byte aligned. `code` is the dtype as the file spells it.
 */
export function encodeSafetensorsHeader(
  tensors: Iterable<{ name: string; code: string; shape: readonly number[]; bytes: number }>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const content: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) {
    const sorted = Object.entries(metadata).sort(([a], [b]) => compare(a, b));
    content.push(['__metadata__', Object.fromEntries(sorted)]);
  }
  let offset = 0;
  for (const { name, code, shape, bytes } of tensors) {
    content.push([name, { dtype: code, shape, data_offsets: [offset, offset + bytes] }]);
    offset += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(content)));
  const header = new Uint8Array(8 + Math.ceil(json.byteLength / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.byteLength - 8), true);
  header.set(json, 8);
  return header;
}

function assertConsistent(name: string, { dtype, shape, data }: SafeTensor): void {
  const fail = (problem: string): never => {
    throw new TrainyardError('invalid_data', `Tensor "${name}" cannot be saved: ${problem}.`, {
      param: name,
    });
  };
  if (name === '__metadata__') fail('the format reserves this name');
  if (!(data instanceof STORED[dtype].array))
    fail(`${dtype} values are not held in a ${data.constructor.name}`);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    fail(`its shape [${shape}] holds something else than sizes`);
  }
  const length = shape.reduce((product, size) => product * size, 1);
  if (length !== data.length) fail(`the shape [${shape}] needs ${length} values, not ${data.length}`);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
