import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '@trainyard/db';
import { startPostgres } from '@trainyard/embedded';
import { freePort } from '../../packages/queue/test/redis-server.ts';
import { isAlive } from '../spawn-program.ts';

export interface PostgresServer {
  url: string;
  port: number;
  /** SIGKILL for the postmaster; its children end with it. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A Postgres that notes when each transaction was committed, so that rows can be held against each other. */
export async function startPostgresServer(): Promise<PostgresServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'trainyard-faults-postgres-'));
  await chmod(dataDir, 0o755);
  const port = await freePort();
  let server = await startPostgres({ dataDir, durable: false, port });
  const { url } = server;
  const pgdata = await realpath(path.join(dataDir, 'cluster'));
  const db = openDatabase(url, 1);
  await db.client.$executeRawUnsafe('ALTER SYSTEM SET track_commit_timestamp = on');
  await db.close();
  await server.stop();

  async function start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1)
      try {
        server = await startPostgres({ dataDir, durable: false, port });
        return;
      } catch (error) {
        if (attempt === 20) throw error; // the children of a killed one take a moment to leave the port
        await sleep(200);
      }
  }
  await start();
  return {
    url,
    port,
    start,
    async kill() {
      const pid = Number((await readFile(path.join(pgdata, 'postmaster.pid'), 'utf8')).split('\n')[0]);
      process.kill(pid, 'SIGKILL');
      while (isAlive(pid)) await sleep(5);
    },
    async stop() {
      await server.stop();
      // Not below dataDir where the temporary folder is private to root.
      for (const folder of [path.dirname(pgdata), dataDir])
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
