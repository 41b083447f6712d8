import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EmbeddedPostgres, startPostgres } from '@trainyard/embedded';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { type Delivery, openQueue, type Queue } from '../src/index.ts';
import { startRedisServer } from './redis-server.ts';

/** The queue's server, which the tests take away and bring back. */
interface Server {
  options: { redisUrl?: string; databaseUrl?: string };
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function redisServer(): Promise<Server> {
  const server = await startRedisServer();
  return { ...server, options: { redisUrl: server.url } };
}

async function postgresServer(): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-outage-'));
  await chmod(folder, 0o755);
  const dataDir = path.join(folder, 'postgres');
  let server: EmbeddedPostgres = await startPostgres({ dataDir, durable: false });
  const { port } = server;
  return {
    options: { databaseUrl: server.url },
    kill: () => server.stop(),
    async start() {
      server = await startPostgres({ dataDir, durable: false, port });
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const run = (runId: string): Delivery => ({ runId, stage: 'pretrain', epoch: 0 });
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(server: Server): Promise<{ queue: Queue; got: string[] }> {
  const queue = await openQueue(server.options);
  cleanups.push(() => queue.close());
  const got: string[] = [];
  await queue.consume(['pretrain', 'rl'], async ({ runId }) => {
    got.push(runId);
    return 'stale';
  });
  return { queue, got };
}

/** As the reconciler does: again until the queue takes it. */
async function enqueueUntilTaken(queue: Queue, delivery: Delivery): Promise<void> {
  for (const until = Date.now() + 20_000; ; ) {
    try {
      return await queue.enqueue([delivery]);
    } catch (error) {
      if (Date.now() > until) throw error;
    }
  }
}

const arrival = (got: string[], runId: string) =>
  expect.poll(() => got, { timeout: 20_000 }).toContain(runId);

describe.each([
  ['redis', redisServer],
  ['postgres', postgresServer],
] as const)('on %s', (_, startServer) => {
  test('a server that is absent at first, comes, goes and comes back', async () => {
    const server = await startServer();
    cleanups.push(() => server.stop());
    await server.kill();
    const { queue, got } = await open(server);
    await expect(queue.enqueue([run('a')])).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    await enqueueUntilTaken(queue, run('b'));
    await arrival(got, 'b');
    await server.kill();
    await expect(queue.enqueue([run('c')])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(queue.ping()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(queue.depth(['pretrain'])).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    await enqueueUntilTaken(queue, run('d'));
    await arrival(got, 'd');
    await queue.ping();
  });

  test('close comes back while the server is away, at first and later', async () => {
    const server = await startServer();
    cleanups.push(() => server.stop());
    const before = await open(server);
    await enqueueUntilTaken(before.queue, run('a'));
    await arrival(before.got, 'a');
    await server.kill();
    const after = await open(server);
    const failing = expect(after.queue.enqueue([run('b')])).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.all([before.queue.close(), after.queue.close()]);
    await failing;
  }, 30_000);
});

test('FLUSHALL loses what waited, and nothing after it', async () => {
  const server = await startRedisServer();
  cleanups.push(() => server.stop());
  const idle = await openQueue({ redisUrl: server.url });
  cleanups.push(() => idle.close());
  await idle.enqueue([run('lost')]);
  const client = new Redis(server.url);
  await client.flushall();
  const { queue, got } = await open({ ...server, options: { redisUrl: server.url } });
  await queue.enqueue([run('a')]);
  await arrival(got, 'a');
  await client.flushall();
  client.disconnect();
  await queue.enqueue([run('b')]);
  await arrival(got, 'b');
  expect(got).toEqual(['a', 'b']);
});
