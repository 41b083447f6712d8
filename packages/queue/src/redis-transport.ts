import { Queue as BullQueue, createRedisBackend, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { type Transport, WORKER_OPTIONS } from './transport.ts';
import { within } from './within.ts';

/** Commands fail at once while Redis is away (no offline queue, no resending); the client reconnects by itself. */
export function connectRedis(url: string, prefix: string, log: (line: string) => void): Transport {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 3000, // ms
    commandTimeout: 5000, // ms
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1000), // ms
  });
  client.on('error', (error) => log(`Redis: ${error.message}`));
  const options = { connection: client, prefix };
  const factory: typeof createRedisBackend = (name, opts) => createRedisBackend(name, opts);
  return {
    kind: 'redis',
    async ready() {
      if (client.status === 'ready') return;
      let settle = () => {};
      const ready = new Promise<void>((resolve) => {
        settle = resolve;
        client.once('ready', settle);
      });
      await within(3000, ready).finally(() => client.off('ready', settle));
    },
    makeQueue: (stage) => new BullQueue(stage, options, factory),
    makeWorker: (stage) => new Worker(stage, null, { ...options, ...WORKER_OPTIONS }, factory),
    async ping() {
      await client.ping();
    },
    async close() {
      client.disconnect();
    },
  };
}
