import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient, type Run, TrainyardError } from '@trainyard/contracts';
import { type Database, getRun, listAttempts, migrate, openDatabase } from '@trainyard/db';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { freePort, type RedisServer, startRedisServer } from '../../packages/queue/test/redis-server.ts';
import { QUICK_LEASES } from '../quick-leases.ts';
import { ROOT } from '../spawn-program.ts';
import { bundlePrograms } from './bundle-programs.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';
import { type Links, Program } from './program.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';

const POLL = 20; // ms
const PATIENCE = 180_000; // ms; a bound for what hangs, not a measure
const ANSWER_MS = 5000; // for one request
const ADMIN_KEY = 'a-key-for-the-tests-of-faults';

export type RunRequest = Parameters<Client['runs']['create']>[0];

export interface ClusterOptions {
  /** Default 1. */
  apis?: number;
  /** Default 1; started when the tests say so. */
  workers?: number;
  /** The queue's server; absent, the queue lives in Postgres. */
  redis?: 'forgetful' | 'persistent';
  /** The blob store has a disk of its own of this size. */
  diskBytes?: number;
  /** Leases and heartbeats as the product has them by default, instead of shorter ones. */
  asShipped?: boolean;
}

/** The whole product as processes, each behind proxies of its own: everything here can be made to fail. */
export interface Cluster {
  /** What is so, past all proxies. */
  db: Database;
  blobs: BlobStore;
  /** Where the blobs lie. */
  store: string;
  disk: SmallDisk | undefined;
  folder: string;
  postgres: PostgresServer;
  redis: RedisServer | undefined;
  apis: Program[];
  workers: Program[];
  /** A client of one API; of the first unless told otherwise. */
  client(api?: Program): Client;
  addData(name: string, kind: 'text' | 'chat' | 'prompts' | 'preference', records: object[]): Promise<void>;
  /** Submits as a client should: with one Idempotency-Key, again and to any API until it is accepted. */
  submit(request: RunRequest): Promise<string>;
  /** Asks an API for it, again and of any API until one answers. */
  insist<T>(ask: (client: Client) => Promise<T>): Promise<T>;
  /** The run as soon as it is as `done` says; throws, with its error and the logs, if it ends otherwise. */
  until(id: string, done: (run: Run) => boolean, patience?: number): Promise<Run>;
  finished(id: string, patience?: number): Promise<Run>;
  /** Ends every network fault. */
  restoreLinks(): void;
  stop(): Promise<void>;
}

/** Postgres, Redis, and the APIs, which are ready; the workers are there to be started. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cleanups: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return await start(options, cleanups, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  { apis: apiCount = 1, workers: workerCount = 1, redis: kind, diskBytes, asShipped = false }: ClusterOptions,
  cleanups: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<Cluster> {
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-faults-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const entries = await bundlePrograms();
  cleanups.push(entries.remove);
  const postgres = await startPostgresServer();
  cleanups.push(postgres.stop);
  await migrate(postgres.url, path.join(ROOT, 'prisma/migrations'));
  const redis = kind && (await startRedisServer({ persistent: kind === 'persistent' }));
  if (redis) cleanups.push(redis.stop);
  const store = path.join(folder, 'store');
  const disk = diskBytes ? await makeSmallDisk(store, diskBytes) : undefined;
  if (disk) cleanups.push(disk.remove);
  const [db, blobs] = [openDatabase(postgres.url), await openBlobStore(store)];
  cleanups.push(blobs.close.bind(blobs), db.close);

  async function open(
    app: 'api' | 'worker',
    name: string,
    readyLine: string,
    own: Record<string, string>,
  ): Promise<Program> {
    const links: Links = { postgres: await startFaultProxy(postgres.port) };
    if (redis) links.redis = await startFaultProxy(Number(new URL(redis.url).port));
    const environment = {
      DATABASE_URL: links.postgres.through(postgres.url),
      ...(redis ? { REDIS_URL: links.redis!.through(redis.url) } : {}),
      STORAGE_URL: store,
      ...(asShipped ? {} : QUICK_LEASES),
      ...own,
    };
    const program = new Program({ name, entry: entries[app], environment, readyLine, links });
    program.environment = { ...disk?.environment };
    cleanups.push(async () => {
      await program.stop('SIGKILL');
      for (const link of Object.values(links)) await link.close();
    });
    return program;
  }

  const urls = new Map<Program, string>();
  for (let i = 0; i < apiCount; i += 1) {
    const port = await freePort();
    const api = await open('api', `api-${i}`, 'Server listening', {
      PORT: String(port),
      TRAINYARD_ADMIN_KEY: ADMIN_KEY,
      DATA_DIR: path.join(folder, `api-${i}`),
    });
    urls.set(api, `http://127.0.0.1:${port}`);
  }
  const apis = [...urls.keys()];
  const workers: Program[] = [];
  for (let i = 0; i < workerCount; i += 1)
    workers.push(
      await open('worker', `worker-${i}`, 'worker ready', {
        CACHE_DIR: path.join(folder, `cache-${i}`),
      }),
    );
  await Promise.all(apis.map((api) => api.start()));

  const client = (api = apis[0]!) => createClient({ baseUrl: urls.get(api)!, apiKey: ADMIN_KEY });

  async function insist<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    for (let attempt = 0, deadline = performance.now() + PATIENCE; ; attempt += 1)
      try {
        return await withinTime(ask(client(apis[attempt % apis.length])));
      } catch (error) {
        const passing = error instanceof TrainyardError && error.status >= 500;
        if (!passing || performance.now() > deadline) throw error;
        await sleep(200);
      }
  }

  async function until(id: string, done: (run: Run) => boolean, patience = PATIENCE): Promise<Run> {
    for (const deadline = performance.now() + patience; ; await sleep(POLL)) {
      const run = await getRun(db, id).catch(() => undefined); // Postgres may be away
      if (run && done(run)) return run;
      if (performance.now() < deadline && !run?.finished_at) continue;
      const told = run && { ...run, attempts: await listAttempts(db, id), config: undefined };
      const logs = [...apis, ...workers].map(({ name, log }) => `${name}:\n${log.slice(-20).join('\n')}`);
      throw new Error(`The run is not as awaited: ${JSON.stringify(told, null, 1)}\n${logs.join('\n')}`);
    }
  }

  return {
    db,
    blobs,
    store,
    disk,
    folder,
    postgres,
    redis,
    apis,
    workers,
    client,
    insist,
    until,
    finished: (id, patience) => until(id, ({ state }) => state === 'succeeded', patience),
    async addData(name, kind, records) {
      const content = records.map((record) => `${JSON.stringify(record)}\n`).join('');
      const { id } = await client().datasets.create({ name, kind });
      await client().datasets.upload(
        id,
        { content, type: 'application/x-ndjson' },
        { held_out_fraction: 0.2 },
      );
    },
    submit: async (request) => {
      const idempotencyKey = randomUUID();
      return (await insist((one) => one.runs.create(request, { idempotencyKey }))).id;
    },
    restoreLinks() {
      for (const { links } of [...apis, ...workers]) for (const link of Object.values(links)) link.restore();
    },
    stop,
  };
}

/** A request whose server is beyond a black hole gets no answer: that counts as unavailable. */
async function withinTime<T>(answer: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = sleep(ANSWER_MS, undefined, { signal: late.signal }).then(() => {
    throw new TrainyardError('unavailable', 'The API does not answer.');
  });
  timeout.catch(() => {});
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    late.abort();
  }
}
