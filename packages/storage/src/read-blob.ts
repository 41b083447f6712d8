import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { TrainyardError } from '@trainyard/contracts';
import type { BlobRef, ByteRange } from './blob-store.ts';
import { integrityError } from './content-address.ts';

/** What a store has to offer so that its blobs can be read with verification. */
export interface BlobSource {
  readonly location: string;
  size(sha256: string): Promise<number>;
  /** The bytes as they are stored, unverified; a range is never empty. */
  chunks(sha256: string, range?: ByteRange): AsyncIterable<Uint8Array>;
}

/** `BlobStore.open` for any source. */
export async function openBlob(source: BlobSource, sha256: string, range?: ByteRange): Promise<Readable> {
  const bytes = await source.size(sha256);
  if (!range) {
    const chunks = verified(source.chunks(sha256), { sha256, bytes }, source.location);
    return Readable.from(chunks, { objectMode: false });
  }
  assertRange(range, bytes);
  if (range.start === range.end) return Readable.from([]);
  return Readable.from(source.chunks(sha256, range), { objectMode: false });
}

/** `BlobStore.read` for any source. */
export async function readBlob(
  source: BlobSource,
  expected: { sha256: string; bytes?: number },
): Promise<Uint8Array> {
  const { sha256 } = expected;
  const found = await source.size(sha256);
  const ref = { sha256, bytes: expected.bytes ?? found };
  if (found !== ref.bytes) {
    throw integrityError(ref, source.location, `it has ${found} bytes instead of ${ref.bytes}`);
  }
  const content = new Uint8Array(ref.bytes);
  let offset = 0;
  for await (const chunk of verified(source.chunks(sha256), ref, source.location)) {
    content.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return content;
}

/** Passes chunks on and throws `integrity`, at the latest after the last one, unless together they are `ref`. */
export async function* verified(
  chunks: AsyncIterable<Uint8Array>,
  ref: BlobRef,
  location: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > ref.bytes) throw integrityError(ref, location, `it has more than its ${ref.bytes} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (bytes < ref.bytes) throw integrityError(ref, location, `it has ${bytes} of its ${ref.bytes} bytes`);
  const found = hash.digest('hex');
  if (found !== ref.sha256) throw integrityError(ref, location, `its content has the SHA-256 ${found}`);
}

function assertRange({ start, end }: ByteRange, bytes: number): void {
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end;
  if (valid && end <= bytes) return;
  throw new TrainyardError('invalid_request', `No bytes ${start} to ${end}: the blob has ${bytes} bytes.`, {
    param: 'range',
  });
}
