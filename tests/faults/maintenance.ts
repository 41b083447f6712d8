import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const PROGRAM = ['--conditions=source', '--import', 'tsx', join(ROOT, 'apps/api/src/maintenance.ts')];

/** The maintenance program as a process of its own, and how it ended. */
export function maintain(
  args: string[],
  place: { databaseUrl?: string; storageUrl?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, DATABASE_URL: place.databaseUrl, STORAGE_URL: place.storageUrl };
  return new Promise((done) => {
    execFile(process.execPath, [...PROGRAM, ...args], { cwd: ROOT, env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
