import { fileURLToPath } from 'node:url';
import { TrainyardError } from '@trainyard/contracts';
import { ensureAdminKey, migrate, openDatabase, startReconciler } from '@trainyard/db';
import { openQueue } from '@trainyard/queue';
import { openBlobStore } from '@trainyard/storage';
import { buildApp } from './app.ts';
import { type Config, readConfig } from './config.ts';
import { startHousekeeping } from './housekeeping.ts';
import { startInference } from './inference/inference.ts';
import { createLogger } from './logger.ts';

/** From the signal on: so long may models still write, and so long may everything take. */
const WRITE_MS = 4000;
const STOP_MS = 10_000;
/** As far from this file in src as from its bundle in dist. */
const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

async function start(config: Config): Promise<(reason: string) => Promise<void>> {
  const logger = createLogger(config.logLevel);
  if (config.migrateOnStart) await migrate(config.databaseUrl, MIGRATIONS);
  const db = openDatabase(config.databaseUrl);
  const blobs = await openBlobStore(config.storageUrl);
  const adminKey = await db.transaction((tx) => ensureAdminKey(tx, config.adminKey));
  if (adminKey) process.stdout.write(`First admin API key, shown this once: ${adminKey}\n`);
  const queue = await openQueue({
    ...(config.redisUrl ? { redisUrl: config.redisUrl } : { databaseUrl: config.databaseUrl }),
    log: (line) => logger.warn(line),
  });
  const bundled = !import.meta.url.endsWith('.ts');
  const inference = startInference({
    program: new URL(bundled ? './inference-process.js' : './inference-process.ts', import.meta.url),
    storageUrl: config.storageUrl,
    backend: config.inferenceBackend,
    logger,
  });
  const app = buildApp({ db, queue, blobs, inference, config, logger });
  await app.listen({ host: config.host, port: config.port });
  const surroundings = {
    deliver: queue.enqueue,
    storageRoom: () => blobs.freeBytes(),
    onError: (error: unknown, part: string) =>
      logger.error({ err: error, part }, 'reconciling failed in part; it is tried again'),
  };
  const reconciler = startReconciler(db, surroundings, config.reconcileSeconds);
  const housekeeping = startHousekeeping(db, blobs, config, logger);

  return async (reason) => {
    logger.info({ reason }, 'stopping');
    const late = setTimeout(() => {
      logger.error('stopping took too long; ending with what is left undone');
      process.exit(1);
    }, STOP_MS);
    const drained = setTimeout(() => inference.close(), WRITE_MS);
    await app.close();
    clearTimeout(drained);
    await Promise.all([reconciler.stop(), housekeeping.stop(), inference.close()]);
    await Promise.all([queue.close(), blobs.close()]);
    await db.close();
    clearTimeout(late);
  };
}

function fail(error: unknown): never {
  const text = error instanceof TrainyardError ? error.message : (error as Error).stack;
  process.stderr.write(`The API cannot go on. ${text}\n`);
  process.exit(1);
}

const started = Promise.resolve(process.env).then(readConfig).then(start).catch(fail);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => started.then((stop) => stop(signal)).then(() => process.exit(0), fail));
