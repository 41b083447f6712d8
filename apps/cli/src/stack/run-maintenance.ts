import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { TrainyardError } from '@trainyard/contracts';
import { startPostgres } from '@trainyard/embedded';
import { Failure } from '../exit-code.ts';
import type { Environment } from '../settings.ts';
import { isDataFolder, takeDataFolder } from './data-folder.ts';
import { MAINTENANCE_ARGUMENTS, ROOT } from './programs.ts';
import { storageUrl } from './stack.ts';

export interface Maintenance {
  work: 'backup' | 'restore' | 'verify';
  args: string[];
  /** undefined: the environment's installation if it names one, else the default folder. */
  dataDir: string | undefined;
  env: Environment;
  /** What a person should know. */
  say: (line: string) => void;
}

/**
 * Runs the API's maintenance program on an installation, with this process's output for its own.
 * @throws Failure with its exit status, when it has said why; TrainyardError invalid_path (no data folder),
 *   conflict (a restore into one that is in use)
 */
export async function runMaintenance(maintenance: Maintenance): Promise<void> {
  const { work, args, dataDir, env } = maintenance;
  const elsewhere = dataDir === undefined && env.DATABASE_URL;
  if (elsewhere || (work === 'verify' && args.length > 0)) return runProgram([work, ...args], env);
  await withDatabase(maintenance, resolve(dataDir ?? '.trainyard'), (own) =>
    runProgram([work, ...args], { ...env, ...own }),
  );
}

/** With the data folder's Postgres: the one that runs, else one that is started and stopped again. */
async function withDatabase(
  { work, env, say }: Maintenance,
  dataDir: string,
  use: (environment: Environment) => Promise<void>,
): Promise<void> {
  if (work !== 'restore' && !isDataFolder(dataDir))
    throw new TrainyardError(
      'invalid_path',
      `${dataDir} holds no installation: give its folder with --data, or set DATABASE_URL and STORAGE_URL.`,
      { param: '--data' },
    );
  // Whoever finds the folder taken asks the taker's address for a sign of life.
  const alive = createServer((_, response) => response.end());
  alive.listen(0, '127.0.0.1');
  await once(alive, 'listening');
  const url = `http://127.0.0.1:${(alive.address() as AddressInfo).port}`;
  try {
    const release = await takeDataFolder(dataDir, url).catch((error: TrainyardError) => {
      if (work === 'restore' || error.code !== 'conflict') throw error;
      return undefined; // `up` runs, and so does its Postgres
    });
    try {
      const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), log: say });
      const own = { DATABASE_URL: postgres.url, STORAGE_URL: storageUrl(dataDir, env) };
      await use(own).finally(() => release && postgres.stop());
    } finally {
      await release?.();
    }
  } finally {
    alive.close();
  }
}

async function runProgram(args: string[], env: Environment): Promise<void> {
  const child = spawn(process.execPath, [...MAINTENANCE_ARGUMENTS, ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, pass);
  const [status] = (await once(child, 'exit')) as [number | null];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, pass);
  if (status !== 0) throw new Failure(`${args[0]} ended with ${status}`, status ?? undefined);
}
