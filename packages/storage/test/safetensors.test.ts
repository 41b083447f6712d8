import { describe, expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../src/index.ts';

/** A file with the given header text (or bytes) and so many bytes of data. */
function fileWith(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.byteLength), true);
  file.set(json, 8);
  return file;
}

const concat = (chunks: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(chunks));

const EVERY_DTYPE: Record<string, SafeTensor> = {
  'layers.0.weight': {
    dtype: 'float32',
    shape: [2, 3],
    data: Float32Array.of(1, -2.5, 3e-38, Infinity, NaN, -0),
  },
  double: { dtype: 'float64', shape: [1], data: Float64Array.of(Math.PI) },
  signed8: { dtype: 'int8', shape: [3], data: Int8Array.of(-128, 0, 127) },
  bytes: { dtype: 'uint8', shape: [3, 1], data: Uint8Array.of(0, 128, 255) },
  signed16: { dtype: 'int16', shape: [1], data: Int16Array.of(-32768) },
  unsigned16: { dtype: 'uint16', shape: [1], data: Uint16Array.of(65535) },
  tokens: { dtype: 'int32', shape: [2], data: Int32Array.of(-1, 2 ** 31 - 1) },
  unsigned32: { dtype: 'uint32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  signed64: { dtype: 'int64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
  unsigned64: { dtype: 'uint64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  mask: { dtype: 'bool', shape: [1], data: Uint8Array.of(1) },
  scalar: { dtype: 'float32', shape: [], data: Float32Array.of(42) },
  empty: { dtype: 'float32', shape: [0, 7], data: new Float32Array(0) },
  'ключ "1"': { dtype: 'uint8', shape: [1], data: Uint8Array.of(1) },
  '7': { dtype: 'uint8', shape: [1], data: Uint8Array.of(7) },
};

describe('encoding', () => {
  test('the bytes are those of the format', () => {
    const file = concat(
      encodeSafetensors(
        {
          b: { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) },
          a: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) },
        },
        { step: '5', by: 'test' },
      ),
    );
    const json =
      '{"__metadata__":{"by":"test","step":"5"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
      '"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}';
    expect(Buffer.from(file.subarray(0, 8)).toString('hex')).toBe('9800000000000000');
    expect(Buffer.from(file.subarray(8, 160)).toString()).toBe(json.padEnd(152));
    // 1.0 is 3f800000 and 2.0 is 40000000, little-endian.
    expect(Buffer.from(file.subarray(160)).toString('hex')).toBe('0000803f00000040010203');
  });

  test('the same tensors in another order give the same bytes', () => {
    const shuffled = Object.fromEntries(Object.entries(EVERY_DTYPE).reverse());
    const forward = concat(encodeSafetensors(EVERY_DTYPE, { a: '1', b: '2' }));
    expect(concat(encodeSafetensors(shuffled, { b: '2', a: '1' }))).toEqual(forward);
  });

  test('tensors are not copied', () => {
    const data = new Float32Array(1000);
    const [, chunk] = encodeSafetensors({ w: { dtype: 'float32', shape: [1000], data } });
    expect(chunk!.buffer).toBe(data.buffer);
  });

  test.each<[string, SafeTensor, RegExp]>([
    ['w', { dtype: 'float32', shape: [2, 2], data: new Float32Array(3) }, /needs 4 values, not 3/],
    ['w', { dtype: 'float32', shape: [-1, -3], data: new Float32Array(3) }, /shape/],
    ['w', { dtype: 'float32', shape: [1.5, 2], data: new Float32Array(3) }, /shape/],
    ['w', { dtype: 'int32', shape: [1], data: new Float32Array(1) } as unknown as SafeTensor, /Float32Array/],
    ['__metadata__', { dtype: 'uint8', shape: [1], data: new Uint8Array(1) }, /reserves/],
  ])('%s: a tensor that contradicts itself is refused', (name, tensor, message) => {
    expect(() => encodeSafetensors({ [name]: tensor })).toThrow(
      expect.objectContaining({ code: 'invalid_data', param: name, message: expect.stringMatching(message) }),
    );
  });
});

describe('decoding', () => {
  test('every dtype, scalars, empty tensors, odd names and metadata come back', () => {
    const tensors = { ...EVERY_DTYPE, ['__proto__' as string]: EVERY_DTYPE.tokens! };
    const metadata = { format: 'test', '': 'ü' };
    expect(decodeSafetensors(concat(encodeSafetensors(EVERY_DTYPE, metadata)))).toEqual({
      tensors: EVERY_DTYPE,
      metadata,
    });
    const decoded = decodeSafetensors(concat(encodeSafetensors(tensors)));
    expect(Object.keys(decoded.tensors)).toContain('__proto__');
    expect(decoded.metadata).toEqual({});
  });

  test('aligned tensors are views of the file, others copies with the same values', () => {
    const file = concat(
      encodeSafetensors({ w: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } }),
    );
    expect(decodeSafetensors(file).tensors.w!.data.buffer).toBe(file.buffer);
    const shifted = new Uint8Array(file.byteLength + 1);
    shifted.set(file, 1);
    const { data } = decodeSafetensors(shifted.subarray(1)).tensors.w!;
    expect(data.buffer).not.toBe(shifted.buffer);
    expect(data).toEqual(Float32Array.of(1, 2));
  });

  test('F16 and BF16 become float32', () => {
    const bits = Uint16Array.of(
      0x3c00,
      0xc000,
      0x0001,
      0x03ff,
      0x7bff,
      0x7c00,
      0xfc00,
      0x8000,
      0x3555,
      0x7e00,
    );
    const header = `{"h":{"dtype":"F16","shape":[10],"data_offsets":[0,20]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[20,28]}}`;
    const file = fileWith(header, 28);
    file.set(new Uint8Array(bits.buffer), file.byteLength - 28);
    file.set(new Uint8Array(Uint16Array.of(0x3f80, 0xc049, 0x7f80, 0x0001).buffer), file.byteLength - 8);
    const { h, b } = decodeSafetensors(file).tensors;
    // Examples of IEEE 754 binary16: smallest and largest subnormal, largest normal, the nearest to 1/3.
    const halves = [1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, Infinity, -Infinity, -0, 0.333251953125, NaN];
    expect(h).toEqual({ dtype: 'float32', shape: [10], data: Float32Array.from(halves) });
    expect(b).toEqual({
      dtype: 'float32',
      shape: [4],
      data: Float32Array.of(1, -3.140625, Infinity, 2 ** -133),
    });
  });

  const entry = (dtype: string, shape: string, offsets: string) =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
  const f32 = (begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
    entry('F32', shape, `[${begin},${end}]`);

  test.each<[string, Uint8Array, string | undefined, RegExp]>([
    ['no bytes', new Uint8Array(0), undefined, /0 bytes/],
    ['seven bytes', new Uint8Array(7), undefined, /7 bytes/],
    ['a header over the limit', fileWith('{}', 0, 100_000_001n), undefined, /limit/],
    ['a header of 2^64 - 1', fileWith('{}', 0, 2n ** 64n - 1n), undefined, /limit/],
    ['a header beyond the end', fileWith('{}', 0, 3n), undefined, /end at byte 11/],
    ['an empty header', fileWith('{}', 0, 0n), undefined, /begin with {/],
    ['a header that begins with a space', fileWith(' {}'), undefined, /begin with {/],
    ['a header that is a list', fileWith('[]'), undefined, /begin with {/],
    ['broken JSON', fileWith('{"w":'), undefined, /not JSON/],
    ['JSON and more', fileWith('{}{}'), undefined, /not JSON/],
    [
      'bytes that are no UTF-8',
      fileWith(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)),
      undefined,
      /not JSON in UTF-8/,
    ],
    ['metadata that is a list', fileWith('{"__metadata__":[]}'), undefined, /not an object/],
    ['metadata that is no string', fileWith('{"__metadata__":{"step":5}}'), undefined, /"step"/],
    ['an entry that is no object', fileWith('{"w":null}'), 'w', /not an object/],
    ['an unknown dtype', fileWith(`{"w":${entry('F31', '[1]', '[0,4]')}}`, 4), 'w', /dtype "F31"/],
    [
      'a dtype of another type',
      fileWith('{"w":{"dtype":1,"shape":[1],"data_offsets":[0,4]}}', 4),
      'w',
      /dtype 1/,
    ],
    ['an inherited dtype', fileWith(`{"w":${entry('constructor', '[1]', '[0,4]')}}`, 4), 'w', /dtype/],
    ['no shape', fileWith('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4), 'w', /shape/],
    ['a negative size', fileWith(`{"w":${f32(0, 4, '[-1]')}}`, 4), 'w', /shape/],
    ['a size that is no integer', fileWith(`{"w":${f32(0, 4, '[1.5]')}}`, 4), 'w', /shape/],
    [
      'sizes whose product overflows',
      fileWith(`{"w":${f32(0, 4, '[4294967296,4294967296]')}}`, 4),
      'w',
      /needs/,
    ],
    ['one offset', fileWith(`{"w":${entry('F32', '[1]', '[4]')}}`, 4), 'w', /data_offsets/],
    ['offsets backwards', fileWith(`{"w":${entry('F32', '[1]', '[4,0]')}}`, 4), 'w', /data_offsets/],
    ['a negative offset', fileWith(`{"w":${entry('F32', '[1]', '[-4,0]')}}`, 4), 'w', /data_offsets/],
    ['offsets as text', fileWith(`{"w":${entry('F32', '[1]', '["0","4"]')}}`, 4), 'w', /data_offsets/],
    ['a shape that is too large', fileWith(`{"w":${f32(0, 8, '[3]')}}`, 8), 'w', /needs 12 bytes/],
    ['data that ends early', fileWith(`{"w":${f32(0, 8)}}`, 7), 'w', /only 7 bytes/],
    ['trailing data', fileWith(`{"w":${f32(0, 8)}}`, 9), undefined, /1 bytes of data after/],
    ['data without tensors', fileWith('{}', 1), undefined, /1 bytes of data after/],
    ['a gap at the start', fileWith(`{"w":${f32(4, 8)}}`, 8), 'w', /gap/],
    ['a gap between', fileWith(`{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, 12), 'b', /gap/],
    ['an overlap', fileWith(`{"a":${f32(0, 8)},"b":${f32(4, 12)}}`, 12), 'b', /overlaps/],
    ['two names for the same bytes', fileWith(`{"a":${f32(0, 4)},"b":${f32(0, 4)}}`, 4), 'b', /overlaps/],
    ['a name twice', fileWith(`{"a":${f32(0, 4)},"a":${f32(0, 4)}}`, 4), 'a', /twice/],
    ['a name twice, once escaped', fileWith(`{"a":${f32(0, 4)},"\\u0061" :${f32(0, 4)}}`, 4), 'a', /twice/],
    [
      'a field twice',
      fileWith(`{"w":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
      'dtype',
      /twice/,
    ],
  ])('%s is refused, naming the tensor', (_, file, param, message) => {
    let error: unknown;
    try {
      decodeSafetensors(file);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'invalid_data', param, message: expect.stringMatching(message) });
  });

  test('what only looks like a duplicate is accepted', () => {
    const header = `{"__metadata__":{"a":"a","b":"{\\"a\\":\\\\"},"a":${f32(0, 4)},"b":${f32(4, 8)}}   `;
    const { tensors, metadata } = decodeSafetensors(fileWith(header, 8));
    expect(Object.keys(tensors)).toEqual(['a', 'b']);
    expect(metadata).toEqual({ a: 'a', b: '{"a":\\' });
  });

  test('every truncation of a file is refused', () => {
    const file = concat(encodeSafetensors(EVERY_DTYPE));
    for (let length = 0; length < file.byteLength; length++) {
      expect(() => decodeSafetensors(file.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'invalid_data' }),
      );
    }
  });
});
