import { type BlobStore, inLanes, openBlobStore, verifyBlob } from '@trainyard/storage';
import { type Backup, checkTables, readBackup } from './backup-folder.ts';

/**
 * Reads a backup to its last byte, without a database.
 * @returns what is wrong with it, a line each; throws as `readBackup` does, and `integrity` for damaged rows
 */
export async function verifyBackup(folder: string): Promise<{ backup: Backup; problems: string[] }> {
  const backup = await readBackup(folder);
  await checkTables(folder, backup);
  const store = await openBlobStore(folder);
  try {
    return { backup, problems: await checkBlobs(store, backup) };
  } finally {
    await store.close();
  }
}

async function checkBlobs(store: BlobStore, { blobs, missing }: Backup): Promise<string[]> {
  const problems = missing.map(({ problem }) => `lost before the backup: ${problem}`);
  await inLanes(blobs, 4, async ({ sha256 }) => {
    const found = await verifyBlob(store, sha256);
    if ('problem' in found) problems.push(found.problem);
  });
  return problems;
}
