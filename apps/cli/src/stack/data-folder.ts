import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { TrainyardError } from '@trainyard/contracts';

const LOCK = 'running.json';

interface Running {
  pid: number;
  url: string;
}

/** Takes a data folder for this process. Throws `conflict` if a stack runs on it. @returns how to let it go */
export async function takeDataFolder(folder: string, url: string): Promise<() => Promise<void>> {
  const dataDir = resolve(folder);
  await mkdir(join(dataDir, 'logs'), { recursive: true }).catch((cause: Error) => {
    throw new TrainyardError('invalid_path', `Cannot make ${dataDir}: ${cause.message}.`, {
      param: '--data',
      cause,
    });
  });
  const lock = join(dataDir, LOCK);
  const own = JSON.stringify({ pid: process.pid, url } satisfies Running);
  for (;;) {
    try {
      await writeFile(lock, own, { flag: 'wx' });
      return () => rm(lock, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = await readRunning(lock);
    if (other && (await runs(other)))
      throw new TrainyardError(
        'conflict',
        `Trainyard runs on ${dataDir} already, at ${other.url} (process ${other.pid}): stop it, or choose another folder.`,
        { param: '--data' },
      );
    await rm(lock, { force: true }); // of one that was killed
  }
}

/** Whether an installation was ever started there. */
export const isDataFolder = (folder: string): boolean => existsSync(join(folder, 'postgres'));

const readRunning = (lock: string): Promise<Running | undefined> =>
  readFile(lock, 'utf8')
    .then(JSON.parse, () => undefined)
    .catch(() => undefined) as Promise<Running | undefined>;

/** Process ids are used again, so that the address must answer too. */
async function runs({ pid, url }: Running): Promise<boolean> {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return fetch(new URL('/livez', url), { signal: AbortSignal.timeout(3000) }).then(
    () => true,
    () => false,
  );
}
