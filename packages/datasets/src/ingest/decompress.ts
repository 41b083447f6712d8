import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TrainyardError } from '@trainyard/contracts';
import { decompressZstd } from './zstd.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/**
 * The content of an upload, chunk by chunk, at most `maxBytes` of it.
 * @throws TrainyardError `payload_too_large` beyond that, `invalid_data` where the compressed stream is damaged.
 */
export function decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  if (compression === 'none') return limit(source, maxBytes);
  const compressed = limit(source, maxBytes);
  return limit(compression === 'gzip' ? gunzip(compressed) : decompressZstd(compressed), maxBytes);
}

async function* limit(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    if (total > maxBytes)
      throw new TrainyardError(
        'payload_too_large',
        `The upload holds more than ${maxBytes} bytes once decompressed; divide it into several datasets.`,
      );
    yield chunk;
  }
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip();
  // An error of the source destroys the stream with it, so that the loop below throws it.
  pipeline(Readable.from(source, { objectMode: false }), stream, () => {});
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    throw new TrainyardError('invalid_data', `The gzip stream is damaged: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
