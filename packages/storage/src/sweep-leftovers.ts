import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Removes what is older than a day from a folder of temporary files: what processes left that were killed. */
export async function sweepLeftovers(folder: string, now: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const modifiedMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY, // its writer has just finished
    );
    if (modifiedMs < now.getTime() - DAY_MS) await rm(path, { recursive: true, force: true });
  }
}
