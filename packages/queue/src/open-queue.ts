import { TrainyardError } from '@trainyard/contracts';
import { consume } from './consume.ts';
import { connectPostgres } from './postgres-transport.ts';
import type { Consumer, Delivery, Queue } from './queue.ts';
import { connectRedis } from './redis-transport.ts';
import { Renewable } from './renewable.ts';
import type { StageQueue, StageWorker, Transport } from './transport.ts';
import { within } from './within.ts';

export interface QueueOptions {
  /** Redis is used where this is given, else `databaseUrl`. */
  redisUrl?: string;
  databaseUrl?: string;
  /** Namespace: prefix of Redis keys, or PostgreSQL schema. Default `trainyard_queue`. */
  prefix?: string;
  log?: (line: string) => void;
}

const PATIENCE = 5000; // ms

/**
 * Opens the queue; returns at once, also while its server is away.
 *
 * @throws TrainyardError invalid_config
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const log = atMostEvery(10_000, options.log ?? (() => {}));
  const transport = connect(options, log);
  const queues = new Renewable<StageQueue>((stage) => quiet(transport.makeQueue(stage), log));
  const workers = new Renewable<StageWorker>((stage) => {
    const worker = quiet(transport.makeWorker(stage), log);
    void worker.startStalledCheckTimer();
    return worker;
  });
  const consumers = new Set<Consumer>();

  async function reach<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await within(PATIENCE, transport.ready().then(operation));
    } catch (cause) {
      const what = `the queue (${transport.kind}) is unavailable: ${(cause as Error).message}`;
      throw new TrainyardError('unavailable', what, { cause });
    }
  }

  return {
    kind: transport.kind,
    async enqueue(deliveries) {
      if (deliveries.length === 0) return;
      const stages = [...new Set(deliveries.map(({ stage }) => stage))];
      await reach(() =>
        Promise.all(
          stages.map((stage) => {
            const jobs = deliveries.filter((delivery) => delivery.stage === stage).map(toJob);
            return queues.use(stage, (queue) => queue.addBulk(jobs));
          }),
        ),
      );
    },
    async depth(stages) {
      const counts = await reach(() =>
        Promise.all(
          stages.map((stage) => queues.use(stage, (queue) => queue.getJobCountByTypes('waiting', 'delayed'))),
        ),
      );
      return Object.fromEntries(stages.map((stage, i) => [stage, counts[i]!]));
    },
    async consume(stages, handler) {
      const consumer = consume(transport, workers, stages, handler, log);
      consumers.add(consumer);
      return consumer;
    },
    async ping() {
      await reach(() => transport.ping());
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await within(2000, Promise.all([queues.close(), workers.close()])).catch(() => {});
      await within(2000, transport.close()).catch(() => {});
    },
  };
}

function connect(options: QueueOptions, log: (line: string) => void): Transport {
  const prefix = options.prefix ?? 'trainyard_queue';
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(prefix)) {
    throw new TrainyardError('invalid_config', `queue prefix "${prefix}": use a-z, 0-9 and _`, {
      param: 'prefix',
    });
  }
  if (options.redisUrl !== undefined) return connectRedis(options.redisUrl, prefix, log);
  if (options.databaseUrl !== undefined) return connectPostgres(options.databaseUrl, prefix, log);
  throw new TrainyardError('invalid_config', 'the queue needs REDIS_URL or DATABASE_URL');
}

/** Removed when done, because BullMQ ignores a job whose id it still keeps. */
function toJob({ runId, stage, epoch }: Delivery) {
  const opts = { jobId: `run-${runId}-${epoch}`, removeOnComplete: true, removeOnFail: true };
  return { name: 'run', data: { runId, stage, epoch }, opts };
}

function quiet<T extends StageQueue | StageWorker>(made: T, log: (line: string) => void): T {
  made.on('error', (error: Error) => log(`queue: ${error.message}`));
  return made;
}

/** Drops lines that come sooner than `interval` ms after the last one: an outage would repeat them for hours. */
function atMostEvery(interval: number, log: (line: string) => void): (line: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (line) => {
    if (performance.now() - last < interval) return;
    last = performance.now();
    log(line);
  };
}
