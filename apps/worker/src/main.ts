import os from 'node:os';
import { openDatabase, type Repeated, startReconciler } from '@trainyard/db';
import { openQueue } from '@trainyard/queue';
import { openBlobStore } from '@trainyard/storage';
import { pino } from 'pino';
import packageJson from '../package.json' with { type: 'json' };
import { parseWorkerConfig } from './config.ts';
import { Worker } from './worker.ts';

const config = parseWorkerConfig(process.env, `${os.hostname()}-${process.pid}`);
const log = pino({ level: config.logLevel, name: 'worker', base: { worker: config.name } });
const db = openDatabase(config.databaseUrl);
const queue = await openQueue({
  databaseUrl: config.databaseUrl,
  ...(config.redisUrl ? { redisUrl: config.redisUrl } : {}),
  log: (line) => log.warn(line),
});
const blobs = await openBlobStore(config.storageUrl);
const worker = new Worker({ config, version: packageJson.version, db, queue, log });

/** What closing everything may take after the run was handed back. */
const CLOSE_SECONDS = 5;

let reconciler: Repeated | undefined;
let stopping = false;
async function stop(signal: string): Promise<void> {
  if (stopping) process.exit(1);
  stopping = true;
  log.info({ signal }, 'stopping: the current run is checkpointed and handed back');
  const late = setTimeout(
    () => {
      log.error('stopping took too long; ending with what is left undone');
      process.exit(1);
    },
    (config.shutdownSeconds + CLOSE_SECONDS) * 1000,
  );
  late.unref();
  await worker.stop();
  await reconciler?.stop();
  await queue.close();
  await blobs.close();
  await db.close();
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));

await worker.start();
// As the API does: runs go on where no API is up.
reconciler = startReconciler(
  db,
  {
    deliver: queue.enqueue,
    storageRoom: () => blobs.freeBytes(),
    onError: (error, part) => log.warn({ err: error, part }, 'reconciling failed in part; it is tried again'),
  },
  config.reconcileSeconds,
);
