import type { BlobContent, BlobRef, BlobStore } from './blob-store.ts';
import { type CheckpointFile, encodeManifest, type NewCheckpoint } from './checkpoint-manifest.ts';

/**
 * Writes the files of a checkpoint, and last of all the manifest that makes them one: whoever has `manifest`
 * has everything. What an interrupted call leaves are blobs that nothing refers to. `bytes` is the sum of the
 * files and the manifest. Throws `invalid_data` for a manifest that could not be read back, and as `put` does.
 */
export async function writeCheckpoint(
  store: BlobStore,
  checkpoint: NewCheckpoint & { files: Readonly<Record<string, BlobContent>> },
): Promise<{ manifest: BlobRef; bytes: number; files: CheckpointFile[] }> {
  const files: CheckpointFile[] = [];
  for (const [name, content] of Object.entries(checkpoint.files)) {
    files.push({ name, ...(await store.put(content)) });
  }
  const manifest = await store.put(encodeManifest(checkpoint, files));
  const bytes = files.reduce((sum, file) => sum + file.bytes, manifest.bytes);
  return { manifest, bytes, files };
}
