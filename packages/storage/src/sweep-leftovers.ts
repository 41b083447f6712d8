import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Removes what processes left in a folder that were killed more than a day ago: what `isOurs` knows by its name. Others
 * may have files there.
 */
export async function sweepLeftovers(
  folder: string,
  isOurs: (name: string) => boolean,
  now: Date,
): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!isOurs(name)) continue;
    const path = join(folder, name);
    const modifiedMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY, // its writer has just finished
    );
    if (modifiedMs < now.getTime() - DAY_MS) await rm(path, { recursive: true, force: true });
  }
}
