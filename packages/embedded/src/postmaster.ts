import { execFile } from 'node:child_process';
import { readFile, readlink, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** PostgreSQL makes the file before it writes into it, ms. */
const WRITING = 10_000;

export interface Postmaster {
  pid: number;
  port: number;
}

/**
 * The server that runs on `pgdata`, by its `postmaster.pid` (lines: pid, folder, start time, port, ...). A file whose
 * process is gone, or whose pid meanwhile belongs to something else, is removed: PostgreSQL would refuse to start on it.
 */
export async function findPostmaster(pgdata: string): Promise<Postmaster | undefined> {
  const file = path.join(pgdata, 'postmaster.pid');
  const lines = await readFile(file, 'utf8').then(
    (text) => text.split('\n'),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (lines === undefined) return undefined;
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  const whole = pid > 0 && port > 0;
  if (whole && (await servesFolder(pid, pgdata))) return { pid, port };
  if (whole || (await ageOf(file)) > WRITING) await rm(file, { force: true });
  return undefined;
}

/** Fast shutdown (open transactions roll back), then an immediate one, which the next start recovers from. */
export async function stopPostmaster(pgdata: string): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', 30_000],
    ['SIGQUIT', 10_000],
  ] as const) {
    const running = await findPostmaster(pgdata);
    if (running === undefined) return;
    process.kill(running.pid, signal);
    const until = Date.now() + patience;
    while (Date.now() < until) {
      await sleep(20);
      if ((await findPostmaster(pgdata))?.pid !== running.pid) return;
    }
  }
}

const ageOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );

/** PostgreSQL's working folder is its data folder; a zombie has none. */
async function servesFolder(pid: number, pgdata: string): Promise<boolean> {
  try {
    if (process.platform === 'linux') return (await readlink(`/proc/${pid}/cwd`)) === pgdata;
    const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]);
    return stdout.includes(pgdata);
  } catch {
    return false;
  }
}
