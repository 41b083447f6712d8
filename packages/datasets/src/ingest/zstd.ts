import { setImmediate } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import { Decompress } from 'fzstd';
import { ByteReader } from './byte-reader.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** RFC 8878, 3.1.1.1.2 recommends that decoders support 8 MiB; `zstd` needs more only with --long or --ultra. */
const MAX_WINDOW = 8 * 2 ** 20;
/** RFC 8878, 3.1.1.2.4. */
const MAX_BLOCK = 128 * 2 ** 10;
/** Every block costs a move of the whole window, so that an upload of tiny ones would keep a core busy for hours. */
const SMALLEST_MEAN_BLOCK = 4096;
const BLOCKS_BEFORE_MEAN = 1000;

const damaged = (what: string, cause?: unknown): TrainyardError =>
  new TrainyardError('invalid_data', `The zstd stream is damaged: ${what}.`, { cause });

/**
 * Decompresses Zstandard frames (RFC 8878), one block at a time, so that neither a block nor a window larger than the
 * format's recommended limits takes memory. Content checksums are passed over.
 * @throws TrainyardError `invalid_data` where the stream is damaged, truncated, or needs a window over 8 MiB.
 */
export async function* decompressZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteReader(source);
  const work = { blocks: 0, bytes: 0 };
  try {
    for (let magic = await input.read(4); magic.length > 0; magic = await input.read(4)) {
      const number = magic.length === 4 ? magic.readUInt32LE() : 0;
      if (number === MAGIC) yield* decompressFrame(input, magic, work);
      else if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) await skipFrame(input);
      else throw damaged('there is no frame where one should begin');
    }
  } finally {
    await input.close();
  }
}

async function exactly(input: ByteReader, length: number): Promise<Buffer> {
  const bytes = await input.read(length);
  if (bytes.length < length) throw damaged('it ends in the middle of a frame');
  return bytes;
}

async function skipFrame(input: ByteReader): Promise<void> {
  const length = (await exactly(input, 4)).readUInt32LE();
  if ((await input.skip(length)) < length) throw damaged('it ends in the middle of a frame');
}

async function* decompressFrame(
  input: ByteReader,
  magic: Buffer,
  work: { blocks: number; bytes: number },
): AsyncGenerator<Uint8Array> {
  const output: Uint8Array[] = [];
  const decoder = new Decompress((data) => output.push(data));
  const { header, checksumBytes } = await readHeader(input);
  decode(decoder, Buffer.concat([magic, header]), false);
  for (let last = false; !last; ) {
    const head = await exactly(input, 3);
    const bits = head.readUIntLE(0, 3);
    last = (bits & 1) === 1;
    const isRepeat = ((bits >> 1) & 3) === 1;
    if (bits >> 3 > MAX_BLOCK) throw damaged('a block is larger than the format allows');
    const body = await exactly(input, (isRepeat ? 1 : bits >> 3) + (last ? checksumBytes : 0));
    decode(decoder, Buffer.concat([head, body]), last);
    for (const data of output.splice(0)) {
      work.bytes += data.length;
      yield data;
    }
    if (++work.blocks > BLOCKS_BEFORE_MEAN && work.bytes < work.blocks * SMALLEST_MEAN_BLOCK)
      throw new TrainyardError(
        'invalid_data',
        `The zstd stream is cut into blocks of less than ${SMALLEST_MEAN_BLOCK} bytes; compress it without flushing.`,
      );
    if (work.blocks % 8 === 0) await setImmediate();
  }
}

/** The frame header after the magic number (RFC 8878, 3.1.1.1). */
async function readHeader(input: ByteReader): Promise<{ header: Buffer; checksumBytes: number }> {
  const descriptor = await exactly(input, 1);
  const flags = descriptor[0]!;
  const isSingleSegment = (flags & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag;
  const rest = await exactly(input, Number(!isSingleSegment) + dictionaryBytes + sizeBytes);
  if (
    dictionaryBytes > 0 &&
    rest.subarray(rest.length - sizeBytes - dictionaryBytes).some((byte) => byte !== 0)
  )
    throw new TrainyardError('invalid_data', 'The zstd stream needs a dictionary; compress it without one.');
  const window = isSingleSegment
    ? contentSize(rest.subarray(rest.length - sizeBytes))
    : 2 ** (10 + (rest[0]! >> 3)) * (1 + (rest[0]! & 7) / 8);
  if (window > MAX_WINDOW)
    throw new TrainyardError(
      'invalid_data',
      'The zstd stream needs a window over 8 MiB; compress it with level 19 or lower and without --long.',
    );
  return { header: Buffer.concat([descriptor, rest]), checksumBytes: (flags & 4) !== 0 ? 4 : 0 };
}

/** Little endian; the two-byte form counts from 256. */
function contentSize(bytes: Buffer): number {
  if (bytes.length === 8) return Number(bytes.readBigUInt64LE());
  return bytes.readUIntLE(0, bytes.length) + (bytes.length === 2 ? 256 : 0);
}

function decode(decoder: Decompress, bytes: Uint8Array, isLast: boolean): void {
  try {
    decoder.push(bytes, isLast);
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
}
