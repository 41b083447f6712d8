import { spawn } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import pg from 'pg';
import { type Cluster, openCluster, rememberPort } from './cluster.ts';
import { ensureDatabase } from './create-database.ts';
import { findPostmaster, stopPostmaster } from './postmaster.ts';

export interface PostgresOptions {
  /** Folder of the database; made if absent. */
  dataDir: string;
  /** 0 or absent: the port of the last start if it is free, else any free one. */
  port?: number;
  log?: (line: string) => void;
  /** Default 200. */
  maxConnections?: number;
  /** false: never waits for the disk, so that a power failure may cost the database. Default true. */
  durable?: boolean;
}

export interface EmbeddedPostgres {
  /** `postgres://trainyard:<password>@127.0.0.1:<port>/trainyard` */
  url: string;
  port: number;
  /** Idempotent. Takes the server down also for others who adopted it. */
  stop(): Promise<void>;
}

const START_PATIENCE = 120_000; // ms: a crash recovery may be long
const NOT_DURABLE = ['fsync=off', 'full_page_writes=off', 'shared_buffers=32MB'];
const LOG_LIMIT = 16 * 1024 * 1024; // bytes

/**
 * Starts PostgreSQL on `dataDir`, listening on 127.0.0.1 only, with a database `trainyard`. The server outlives a
 * SIGKILL of this process; the next start then adopts it.
 *
 * @throws TrainyardError invalid_path (the folder is not ours), conflict (`port` is taken), unavailable (did not start)
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir);
  const log = options.log ?? (() => {});
  const cluster = await openCluster(dataDir, options.durable !== false, log);
  const port = await adoptOrStart(cluster, options, log);
  if (port !== cluster.connection.port) await rememberPort(cluster, port);
  const url = clusterUrl(cluster, port, 'trainyard');
  await ensureDatabase(url);
  return { url, port, stop: () => stopPostmaster(cluster.pgdata) };
}

/** @returns the port of a server that accepts connections */
async function adoptOrStart(
  cluster: Cluster,
  options: PostgresOptions,
  log: (line: string) => void,
): Promise<number> {
  const until = Date.now() + START_PATIENCE;
  let lastWords = '';
  while (Date.now() < until) {
    const running = await findPostmaster(cluster.pgdata);
    if (running === undefined) {
      const port = await choosePort(options.port || undefined, cluster.connection.port);
      lastWords = await launch(cluster, port, options, until);
      if (lastWords === '') return port;
      if (!isPassing(lastWords)) break;
      await sleep(250);
    } else if (await accepts(clusterUrl(cluster, running.port, 'postgres'))) {
      log(`adopted the PostgreSQL that already runs on ${cluster.dataDir} (pid ${running.pid})`);
      return running.port;
    } else {
      lastWords = `process ${running.pid} holds the folder but accepts no connection`;
      await sleep(100);
    }
  }
  throw new TrainyardError('unavailable', `PostgreSQL did not start on ${cluster.dataDir}: ${lastWords}`);
}

/** What a retry cures: remains of a crashed server, a port taken since it was chosen, another starter. */
function isPassing(lastWords: string): boolean {
  return /pre-existing shared memory block|could not bind|Address already in use|lock file/.test(lastWords);
}

/** @returns '' when the server accepts connections, else what it wrote before it ended */
async function launch(
  cluster: Cluster,
  port: number,
  options: PostgresOptions,
  until: number,
): Promise<string> {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${options.maxConnections ?? 200}`,
    ...(process.platform === 'linux' ? ['recovery_init_sync_method=syncfs'] : []),
    ...(options.durable === false ? NOT_DURABLE : []),
  ];
  const logFile = path.join(cluster.dataDir, 'postgres.log');
  const logStart = await rotate(logFile);
  const output = await open(logFile, 'a', 0o600);
  // A session of its own: Ctrl-C in a terminal must reach us, not the database under us.
  const child = spawn(
    cluster.binaries.postgres,
    ['-D', cluster.pgdata, ...settings.flatMap((setting) => ['-c', setting])],
    {
      ...cluster.account,
      cwd: cluster.binaries.root,
      env: { LC_ALL: 'C' },
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    },
  );
  let ended = false;
  let spawnError = '';
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', (error) => {
    ended = true;
    spawnError = error.message;
  });
  child.unref();
  await output.close();
  const url = clusterUrl(cluster, port, 'postgres');
  while (!ended && Date.now() < until) {
    if (await accepts(url)) return '';
    await sleep(20);
  }
  if (!ended) await stopPostmaster(cluster.pgdata);
  const written = (await readFile(logFile)).subarray(logStart).toString('utf8').trim();
  return spawnError || written.slice(-2000) || 'it ended without a word';
}

/** Keeps one older log. @returns the length of the log now, in bytes */
async function rotate(logFile: string): Promise<number> {
  const size = await stat(logFile).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size <= LOG_LIMIT) return size;
  await rename(logFile, `${logFile}.1`);
  return 0;
}

/** @throws TrainyardError conflict where the server knows another password than connection.json */
async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch (cause) {
    if ((cause as { code?: string }).code !== '28P01') return false;
    throw new TrainyardError(
      'conflict',
      'the database refuses the password in connection.json: restore that file, or remove the data folder',
      { cause },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

async function choosePort(wanted: number | undefined, remembered: number | undefined): Promise<number> {
  if (wanted !== undefined) {
    if ((await bind(wanted)) !== undefined) return wanted;
    throw new TrainyardError(
      'conflict',
      `port ${wanted} is taken: stop what listens there, or choose another`,
    );
  }
  const port = (remembered && (await bind(remembered))) || (await bind(0));
  if (port === undefined) throw new TrainyardError('unavailable', 'no free port on 127.0.0.1');
  return port;
}

/** Listens for a moment. @returns the port, or undefined if it is taken */
async function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const bound = (server.address() as { port: number }).port;
      server.close(() => resolve(bound));
    });
  });
}

function clusterUrl(cluster: Cluster, port: number, database: string): string {
  return `postgres://trainyard:${cluster.connection.password}@127.0.0.1:${port}/${database}`;
}
