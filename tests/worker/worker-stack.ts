import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CreatePipeline, CreateRun, DatasetKind, Pipeline, Run } from '@trainyard/contracts';
import { ingestDataset } from '@trainyard/datasets';
import {
  addDatasetVersion,
  createDataset,
  createPipeline,
  createRun,
  type Database,
  drainOutbox,
  getPipeline,
  getRun,
  listAttempts,
  migrate,
  openDatabase,
  reconcile,
  repeat,
  type Tx,
} from '@trainyard/db';
import { startTestPostgres } from '@trainyard/embedded';
import { openQueue, type Queue } from '@trainyard/queue';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { QUICK_LEASES } from '../quick-leases.ts';
import { type ProgramProcess, ROOT, spawnProgram, trainersOf } from '../spawn-program.ts';

const WORKER = ['--conditions=source', '--import', 'tsx', path.join(ROOT, 'apps/worker/src/main.ts')];
const POLL = 100; // ms
const PATIENCE = 180_000; // ms; a bound for what hangs, not a measure

export interface WorkerProcess extends ProgramProcess {
  name: string;
  /** Its trainer processes that are alive: the one at work and the one that waits. */
  trainers(): Promise<number[]>;
}

/** Where an installation keeps what lasts. */
interface Place {
  databaseUrl: string;
  storageUrl: string;
}

export interface WorkerStack {
  place: Place;
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  /** Starts a worker; resolves once it takes runs. */
  startWorker(name: string, environment?: Record<string, string>): Promise<WorkerProcess>;
  addData(name: string, kind: DatasetKind, records: object[], collectedUntil?: string): Promise<string>;
  submit(request: Pick<CreateRun, 'stage' | 'inputs'> & Partial<CreateRun>): Promise<string>;
  submitPipeline(stages: object[]): Promise<string>;
  /** A change as the API makes it: in a transaction, then the outbox into the queue. */
  change<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Waits until the run is as `done` says; throws, with its error and the logs, if it ends otherwise. */
  until(id: string, done: (run: Run) => boolean): Promise<Run>;
  finished(id: string): Promise<Run>;
  pipelineFinished(id: string): Promise<Pipeline>;
  stop(): Promise<void>;
}

interface StackOptions {
  redisUrl?: string;
  /** Fills the empty database and store; by default with the tables only. */
  prepare?: (place: Place) => Promise<unknown>;
}

/** Postgres, a blob folder, a queue and the reconciler, for real; the test adds the workers. */
export async function startStack(options: StackOptions = {}): Promise<WorkerStack> {
  const postgres = await startTestPostgres();
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-worker-test-'));
  const place = { databaseUrl: postgres.url, storageUrl: path.join(folder, 'store') };
  const { prepare = ({ databaseUrl }) => migrate(databaseUrl, path.join(ROOT, 'prisma/migrations')) } =
    options;
  await prepare(place);
  const db = openDatabase(place.databaseUrl);
  const blobs = await openBlobStore(place.storageUrl);
  const { redisUrl } = options;
  const queue = await openQueue(redisUrl ? { redisUrl } : { databaseUrl: postgres.url });
  const workers: WorkerProcess[] = [];
  const environment = {
    DATABASE_URL: place.databaseUrl,
    ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
    STORAGE_URL: place.storageUrl,
    CACHE_DIR: path.join(folder, 'cache'),
    TRAINYARD_BACKEND: 'auto',
    ...QUICK_LEASES,
  };

  const deliver = (deliveries: Parameters<Queue['enqueue']>[0]) => queue.enqueue(deliveries);
  const surroundings = { deliver, storageRoom: () => blobs.freeBytes(), onError: console.error };
  const reconciler = repeat(0.5, () => reconcile(db, surroundings), console.error);

  async function change<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await db.transaction(work);
    await drainOutbox(db, deliver);
    return result;
  }

  async function until(id: string, done: (run: Run) => boolean): Promise<Run> {
    for (const deadline = performance.now() + PATIENCE; ; await sleep(POLL)) {
      const run = await getRun(db, id);
      if (done(run)) return run;
      if (run.finished_at === null && performance.now() < deadline) continue;
      const { stage, state, error, progress } = run;
      const told = { stage, state, error, progress, attempts: await listAttempts(db, id) };
      const logs = workers.map(({ name, log }) => `${name}:\n${log.slice(-20).join('\n')}`);
      throw new Error(`The run is not as awaited: ${JSON.stringify(told, null, 1)}\n${logs.join('\n')}`);
    }
  }

  return {
    place,
    db,
    blobs,
    queue,
    change,
    until,
    finished: (id) => until(id, ({ state }) => state === 'succeeded'),
    async startWorker(name, own = {}) {
      const worker = spawnWorker(name, { ...environment, ...own });
      workers.push(worker);
      while (!worker.log.some((line) => line.includes('worker ready'))) {
        if (worker.child.exitCode !== null) throw new Error(`${name} ended:\n${worker.log.join('\n')}`);
        await sleep(20);
      }
      return worker;
    },
    async addData(name, kind, records, collectedUntil) {
      const content = await ingestDataset({
        source: toLines(records),
        kind,
        format: 'jsonl',
        compression: 'none',
        limits: { maxBytes: 10_000_000, maxRecordBytes: 100_000 },
        store: blobs,
        spoolDir: path.join(folder, 'spool'),
        heldOutFraction: 0.2,
      });
      return db.transaction(async (tx) => {
        const dataset = await createDataset(tx, { name, kind });
        return (await addDatasetVersion(tx, dataset.id, content, { heldOutFraction: 0.2, collectedUntil }))
          .id;
      });
    },
    submit: async (request) =>
      (await change((tx) => createRun(tx, { seed: 1, max_attempts: 3, ...request }))).id,
    submitPipeline: async (stages) => {
      const request = {
        name: 'recipe',
        stages: stages.map((stage) => ({ seed: 1, max_attempts: 1, ...stage })),
      };
      return (await change((tx) => createPipeline(tx, request as CreatePipeline))).id;
    },
    async pipelineFinished(id) {
      const { runs } = await getPipeline(db, id);
      for (const run of runs) await until(run.id, ({ state }) => state === 'succeeded');
      return getPipeline(db, id);
    },
    async stop() {
      const reconciled = reconciler.stop();
      for (const worker of workers) {
        worker.kill('SIGCONT');
        worker.kill('SIGTERM');
      }
      await Promise.all(workers.map(({ exited }) => exited));
      await reconciled;
      await queue.close();
      await blobs.close();
      await db.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function spawnWorker(name: string, environment: Record<string, string>): WorkerProcess {
  const program = spawnProgram(WORKER, { ...environment, WORKER_NAME: name });
  return { ...program, name, trainers: () => trainersOf(program) };
}

async function* toLines(records: object[]): AsyncGenerator<Uint8Array> {
  for (const record of records) yield Buffer.from(`${JSON.stringify(record)}\n`);
}
