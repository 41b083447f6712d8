import { execFile } from 'node:child_process';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { preload } from './preload.ts';

/** A folder whose disk can be full. */
export interface SmallDisk {
  /** What programs need in their environment to find it full. */
  environment: Record<string, string>;
  /** Takes all room that is left. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
  remove(): Promise<void>;
}

/** A tmpfs of so many bytes on `folder`, or, where mounting is not permitted, a module that makes programs believe so. */
export async function makeSmallDisk(folder: string, bytes: number): Promise<SmallDisk> {
  await mkdir(folder, { recursive: true });
  const run = promisify(execFile);
  const ballast = path.join(folder, 'ballast');
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).then(
    () => true,
    () => false,
  );
  return {
    environment: mounted ? {} : { NODE_OPTIONS: preload('full-disk'), FULL_WHILE: ballast },
    async fill() {
      const { bavail, bsize } = await statfs(folder);
      // Whoever writes at the same time may take some of it: then it is full all the sooner.
      await writeFile(ballast, new Uint8Array(mounted ? bavail * bsize : 0)).catch((error) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    },
    makeRoom: () => rm(ballast),
    remove: async () => {
      if (mounted) await run('umount', ['--lazy', folder]);
    },
  };
}
