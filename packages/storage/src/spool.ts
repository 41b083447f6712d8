import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobContent, BlobRef } from './blob-store.ts';
import { attempt } from './storage-error.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const SUFFIX = '.spool';
/** Hashing and writing go by pieces of this size: one call on 2 GiB would block, and is refused. */
const PIECE_BYTES = 4 * 1024 * 1024;

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
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      for (let start = 0; start < chunk.byteLength; start += PIECE_BYTES) {
        const piece = chunk.subarray(start, start + PIECE_BYTES);
        hash.update(piece);
        await attempt(doing, () => handle.writeFile(piece));
      }
      bytes += chunk.byteLength;
    }
    return await use({ path, handle, sha256: hash.digest('hex'), bytes });
  } finally {
    await handle.close();
    await rm(path, { force: true });
  }
}

/** Removes what writers that crashed more than a day ago left in a spool folder. */
export async function sweepSpool(folder: string, now: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(SUFFIX)) continue;
    const path = join(folder, name);
    const modifiedMs = await stat(path).then(
      (file) => file.mtimeMs,
      () => Number.POSITIVE_INFINITY, // its writer has just finished
    );
    if (modifiedMs < now.getTime() - DAY_MS) await rm(path, { force: true });
  }
}
