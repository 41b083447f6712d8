import os from 'node:os';
import { openDatabase } from '@trainyard/db';
import { openQueue } from '@trainyard/queue';
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
const worker = new Worker({ config, version: packageJson.version, db, queue, log });

let stopping = false;
async function stop(signal: string): Promise<void> {
  if (stopping) process.exit(1);
  stopping = true;
  log.info({ signal }, 'stopping: the current run is checkpointed and handed back');
  await worker.stop();
  await queue.close();
  await db.close();
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));

await worker.start();
