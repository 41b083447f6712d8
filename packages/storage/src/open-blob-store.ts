import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlobStore, BlobStoreOptions } from './blob-store.ts';
import { FolderBlobStore } from './folder-blob-store.ts';
import { invalidUrl } from './invalid-url.ts';

/**
 * Opens `/abs/folder`, `file:///abs/folder` or
 * `s3://bucket/prefix?endpoint=http://host:port&region=eu-west-1&forcePathStyle=true` (all parameters optional).
 * Throws `invalid_config` for any other address, or a missing bucket, and `unavailable` where it cannot be used.
 */
export async function openBlobStore(url: string, options: BlobStoreOptions = {}): Promise<BlobStore> {
  const now = options.now ?? (() => new Date());
  if (isAbsolute(url)) return FolderBlobStore.open(url, now);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:') return FolderBlobStore.open(folderOf(parsed), now);
  if (parsed?.protocol === 's3:') {
    // Loaded where it is needed: the AWS SDK takes a quarter of a second.
    const { openS3BlobStore } = await import('./open-s3-blob-store.ts');
    return openS3BlobStore(parsed, options, now);
  }
  throw invalidUrl('it is neither an absolute folder, nor file:///folder, nor s3://bucket/prefix');
}

function folderOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw invalidUrl('it names no folder of this machine: file:///folder');
  }
}
