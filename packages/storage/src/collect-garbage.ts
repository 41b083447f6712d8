import type { BlobStore } from './blob-store.ts';

export interface GarbageOptions {
  /** Tells what must stay: every manifest and every file that a row or a manifest names. */
  isReferenced: (sha256: string) => Promise<boolean>;
  /**
   * Blobs put at this time or later stay, for their writers may not have recorded them yet. Leave a day:
   * S3 counts a blob that is put again within an hour of its upload from that upload.
   */
  olderThan: Date;
  /** Ends the collection between two blobs. */
  signal?: AbortSignal;
}

/** Deletes old blobs that nothing refers to. The age is looked at again right before each deletion. */
export async function collectGarbage(
  store: BlobStore,
  options: GarbageOptions,
): Promise<{ deleted: number; bytes: number }> {
  const { isReferenced, olderThan, signal } = options;
  const total = { deleted: 0, bytes: 0 };
  for await (const { sha256, bytes, modifiedAt } of store.list()) {
    if (signal?.aborted) break;
    if (modifiedAt >= olderThan || (await isReferenced(sha256))) continue;
    if (!(await store.delete(sha256, { unlessSince: olderThan }))) continue;
    total.deleted += 1;
    total.bytes += bytes;
  }
  return total;
}
