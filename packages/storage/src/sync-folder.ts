import { open } from 'node:fs/promises';

/** Makes renames into a folder survive a power cut (fsync(2) of the folder itself). */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
