import * as zlib from 'node:zlib';
import { expect, test } from 'vitest';
import { DigestSet } from '../src/ingest/digest-set.ts';
import { decompressZstd } from '../src/ingest/zstd.ts';
import { chunks, collect, ingest } from './fixtures.ts';

const WAGONS = Array.from({ length: 40 }, (_, n) => `{"text":"wagon ${n} of the long goods train"}\n`).join(
  '',
);
/** WAGONS by `zstd -19` 1.5: a compressed block and a content checksum. */
const WAGONS_ZSTD =
  'KLUv/WTWBbUDAFLFERGQfWOCAYFuzExCugMsMbaIGUsldEwhQ5RfKqFjChmCLJXQMYWMsVRCxxQyQA91tpsfO2vjx2rpP5kf2hdfbWw6sJD3y4EHKKgRsG/9PwPgNasBEfwOwd8QfqQfAISIAAICAD1FgADI25LdS+TNj2RulVVBABsQ';

type Block = { raw: Buffer } | { byte: number; times: number };

/** A frame of raw and run-length blocks (RFC 8878, 3.1.1): window descriptor 0x50 is 1 MiB. */
function frame(blocks: Block[], windowDescriptor = 0x50): Buffer {
  const parts: Uint8Array[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, windowDescriptor])];
  blocks.forEach((block, i) => {
    const isRaw = 'raw' in block;
    const head = Buffer.alloc(3);
    const size = isRaw ? block.raw.length : block.times;
    head.writeUIntLE(Number(i === blocks.length - 1) + (isRaw ? 0 : 2) + size * 8, 0, 3);
    parts.push(head, isRaw ? block.raw : Buffer.from([block.byte]));
  });
  return Buffer.concat(parts);
}

const unpack = async (bytes: Buffer, size = 5) =>
  Buffer.concat(await collect(decompressZstd(chunks(bytes, size))));

test('frames of raw and run-length blocks, cut anywhere, one after the other', async () => {
  const bytes = frame([
    { raw: Buffer.from('Züge ') },
    { byte: 0x61, times: 70_000 },
    { raw: Buffer.from('!') },
  ]);
  const expected = `Züge ${'a'.repeat(70_000)}!`;
  for (const size of [1, 3, 1000]) expect((await unpack(bytes, size)).toString()).toBe(expected);
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const empty = frame([{ raw: Buffer.alloc(0) }]);
  expect((await unpack(Buffer.concat([skippable, bytes, empty, bytes]))).toString()).toBe(
    expected + expected,
  );
});

test('what the zstd program made', async () => {
  const bytes = Buffer.from(WAGONS_ZSTD, 'base64');
  for (const size of [1, 10, 1000]) expect((await unpack(bytes, size)).toString()).toBe(WAGONS);
  const plain = await ingest('text', WAGONS);
  const { content } = await ingest('text', chunks(bytes, 11), { compression: 'zstd' });
  expect(content).toEqual(plain.content);
});

const compress = (zlib as { zstdCompressSync?: (data: Buffer) => Buffer }).zstdCompressSync;

// Node.js 20 has no zstd of its own to compare with
if (compress)
  test('megabytes from the zstd of this Node.js', async () => {
    const text = Buffer.from(Array.from({ length: 200_000 }, (_, n) => `${n * n} `).join(''));
    expect((await unpack(compress(text), 10_000)).equals(text)).toBe(true);
  });

test('a bomb ends at the limit', async () => {
  const bomb = frame(Array.from({ length: 1000 }, () => ({ byte: 0x20, times: 128 * 1024 })));
  expect(bomb.length).toBeLessThan(5000);
  await expect(ingest('text', bomb, { compression: 'zstd' })).rejects.toMatchObject({
    code: 'payload_too_large',
  });
});

const whole = frame([{ raw: Buffer.from('{"text":"a"}') }]);

test.each([
  ['cut', whole.subarray(0, -1), /middle of a frame/],
  ['cut in its header', whole.subarray(0, 5), /middle of a frame/],
  ['not zstd', Buffer.from('{"text":"a"}'), /no frame/],
  ['followed by something else', Buffer.concat([whole, Buffer.from('rest')]), /no frame/],
  ['of a window of 16 MiB', frame([{ raw: Buffer.from('a') }], 14 << 3), /window over 8 MiB/],
  ['a block too large', frame([{ byte: 1, times: 200_000 }]), /block is larger/],
  [
    'of a reserved block type',
    Buffer.concat([whole.subarray(0, 6), Buffer.from([7 + 8, 0, 0, 1])]),
    /invalid block/,
  ],
  [
    'of tiny blocks',
    frame(Array.from({ length: 2000 }, () => ({ byte: 0x61, times: 2 }))),
    /blocks of less than 4096 bytes/,
  ],
])('a stream that is %s is refused', async (_, bytes, message) => {
  const failure = await unpack(bytes, 100).catch((error) => error);
  expect(failure).toMatchObject({ code: 'invalid_data', message: expect.stringMatching(message) });
});

test('a set of digests tells new from old while it grows', () => {
  const set = new DigestSet();
  const digest = (n: number) => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 0);
    bytes.writeUInt32LE(n, 12);
    return bytes;
  };
  for (let n = 1; n <= 5000; n++) expect(set.add(digest(n))).toBe(true);
  for (let n = 1; n <= 5000; n++) expect(set.add(digest(n))).toBe(false);
  expect(set.size).toBe(5000);
});
