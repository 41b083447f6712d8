import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobContent, BlobRef } from './blob-store.ts';
import { attempt } from './storage-error.ts';

const SUFFIX = '.spool';
/** Hashing and writing go by about this much: one call on 2 GiB would block, and one for each small tensor is slow. */
const WRITE_BYTES = 4 * 1024 * 1024;
const MOST_PIECES = 1024; // IOV_MAX of Linux and macOS

/** Content in a temporary file, open for reading and writing, with its hash and length known. */
export interface Spooled extends BlobRef {
  path: string;
  handle: FileHandle;
}

/** Writes content to a temporary file in `folder` for as long as `use` runs; the file is gone afterwards. */
export async function withSpooled<T>(
  folder: string,
  content: BlobContent,
  use: (spooled: Spooled) => Promise<T>,
): Promise<T> {
  const path = join(folder, randomUUID() + SUFFIX);
  const doing = `writing to ${folder}`;
  const handle = await attempt(doing, () => open(path, 'wx+'));
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const pieces of gathered(content)) {
      for (const piece of pieces) hash.update(piece);
      bytes += await attempt(doing, () => writeAll(handle, pieces));
    }
    return await use({ path, handle, sha256: hash.digest('hex'), bytes });
  } finally {
    await attempt(doing, () => handle.close());
    await rm(path, { force: true }).catch(() => {}); // a leftover is swept later; what was published is good
  }
}

/** Whether a file is one that `withSpooled` made. */
export const isSpool = (name: string): boolean => name.endsWith(SUFFIX);

/** The content in groups of pieces to be written at once; what is made chunk by chunk is not held beyond its turn. */
async function* gathered(content: BlobContent): AsyncGenerator<Uint8Array[]> {
  const all = Array.isArray(content);
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    for (let start = 0; start < chunk.byteLength; start += WRITE_BYTES) {
      const piece = chunk.subarray(start, start + WRITE_BYTES);
      pieces.push(piece);
      bytes += piece.byteLength;
      if (all && bytes < WRITE_BYTES && pieces.length < MOST_PIECES) continue;
      yield pieces;
      pieces = [];
      bytes = 0;
    }
  }
  if (pieces.length > 0) yield pieces;
}

/** writev(2) may write less than it was given; answers how many bytes there were. */
async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<number> {
  let left = pieces;
  let total = 0;
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left);
    if (bytesWritten === 0) throw new Error('the file took no more bytes');
    total += bytesWritten;
    left = without(left, bytesWritten);
  }
  return total;
}

/** What is left of pieces after their first `bytes` bytes. */
function without(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const left: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.byteLength) left.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.byteLength);
  }
  return left;
}
