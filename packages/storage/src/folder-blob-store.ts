import { createReadStream, statSync, unlinkSync } from 'node:fs';
import { mkdir, readdir, rename, stat, statfs, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { TrainyardError } from '@trainyard/contracts';
import type { BlobContent, BlobInfo, BlobRef, BlobStore, ByteRange } from './blob-store.ts';
import { blobKey, blobNotFound, isSha256 } from './content-address.ts';
import { type BlobSource, openBlob, readBlob, verified } from './read-blob.ts';
import { isSpool, type Spooled, withSpooled } from './spool.ts';
import { attempt, storageError } from './storage-error.ts';
import { sweepLeftovers } from './sweep-leftovers.ts';
import { syncFolder } from './sync-folder.ts';

const READ_BYTES = 1024 * 1024;

/** Blobs as files `blobs/ab/<sha256>` under a folder; unfinished ones in `tmp/` of the same file system. */
export class FolderBlobStore implements BlobStore, BlobSource {
  readonly location: string;
  readonly #now: () => Date;

  private constructor(root: string, now: () => Date) {
    this.location = root;
    this.#now = now;
  }

  static async open(root: string, now: () => Date): Promise<FolderBlobStore> {
    const store = new FolderBlobStore(root, now);
    await attempt(`opening the storage folder ${root}`, async () => {
      await mkdir(join(root, 'blobs'), { recursive: true });
      await mkdir(store.#spool, { recursive: true });
      await syncFolder(root);
      await sweepLeftovers(store.#spool, isSpool, now());
    });
    return store;
  }

  get #spool(): string {
    return join(this.location, 'tmp');
  }

  path(sha256: string): string {
    return join(this.location, blobKey(sha256));
  }

  put(content: BlobContent): Promise<BlobRef> {
    return withSpooled(this.#spool, content, async (spooled) => {
      const { sha256, bytes } = spooled;
      if (!(await this.#renew({ sha256, bytes }))) {
        await attempt(`writing blob ${sha256} to ${this.location}`, () => this.#publish(spooled));
      }
      return { sha256, bytes };
    });
  }

  open(ref: { sha256: string }, range?: ByteRange): Promise<Readable> {
    return openBlob(this, ref.sha256, range);
  }

  read(ref: { sha256: string; bytes?: number }): Promise<Uint8Array> {
    return readBlob(this, ref);
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#stat(sha256)) !== undefined;
  }

  async size(sha256: string): Promise<number> {
    const file = await this.#stat(sha256);
    if (!file) throw blobNotFound(sha256, this.location);
    return file.size;
  }

  /** The age is looked at and the file removed in one synchronous go, so that a `put` hardly fits between. */
  async delete(sha256: string, options: { unlessSince?: Date } = {}): Promise<boolean> {
    const path = this.path(sha256);
    try {
      if (options.unlessSince && statSync(path).mtime >= options.unlessSince) return false;
      unlinkSync(path);
      return true;
    } catch (cause) {
      if (isAbsent(cause)) return false;
      throw storageError(cause, `deleting blob ${sha256} from ${this.location}`);
    }
  }

  async *list(): AsyncGenerator<BlobInfo> {
    const blobs = join(this.location, 'blobs');
    const doing = `listing ${this.location}`;
    for (const shard of (await attempt(doing, () => readdir(blobs))).sort()) {
      for (const sha256 of (await attempt(doing, () => readdir(join(blobs, shard)))).sort()) {
        const file = isSha256(sha256) ? await this.#stat(sha256) : undefined;
        if (file) yield { sha256, bytes: file.size, modifiedAt: file.mtime };
      }
    }
  }

  async *chunks(sha256: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const piece = range ? { start: range.start, end: range.end - 1 } : {};
    try {
      yield* createReadStream(this.path(sha256), { highWaterMark: READ_BYTES, ...piece });
    } catch (cause) {
      if (isAbsent(cause)) throw blobNotFound(sha256, this.location);
      throw storageError(cause, `reading blob ${sha256} from ${this.location}`);
    }
  }

  freeBytes(): Promise<number> {
    return attempt(`looking for room in ${this.location}`, async () => {
      const { bavail, bsize } = await statfs(this.#spool);
      return bavail * bsize;
    });
  }

  async close(): Promise<void> {}

  async #stat(sha256: string): Promise<{ size: number; mtime: Date } | undefined> {
    try {
      return await stat(this.path(sha256));
    } catch (cause) {
      if (isAbsent(cause)) return undefined;
      throw storageError(cause, `looking up blob ${sha256} in ${this.location}`);
    }
  }

  /** Where the blob is there already and undamaged, makes it young again for garbage collection. */
  async #renew(ref: BlobRef): Promise<boolean> {
    try {
      for await (const _ of verified(this.chunks(ref.sha256), ref, this.location));
      const now = this.#now();
      await utimes(this.path(ref.sha256), now, now);
      return true;
    } catch (cause) {
      const absent = isAbsent(cause) || (cause instanceof TrainyardError && cause.code === 'not_found');
      if (absent || (cause instanceof TrainyardError && cause.code === 'integrity')) return false;
      throw storageError(cause, `looking up blob ${ref.sha256} in ${this.location}`);
    }
  }

  async #publish(spooled: Spooled): Promise<void> {
    const path = this.path(spooled.sha256);
    const shard = dirname(path);
    await spooled.handle.sync();
    await mkdir(shard, { recursive: true });
    await rename(spooled.path, path);
    await syncFolder(shard);
    await syncFolder(dirname(shard));
  }
}

function isAbsent(cause: unknown): boolean {
  return (cause as { code?: unknown } | null)?.code === 'ENOENT';
}
