import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { type Pretraining, preparePretraining } from './pretraining.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 80;
const MOVES_AGAIN = 30_000; // ms after the server is back
const SHORT = 1500; // ms; much shorter than the lease

let cluster: Cluster;
let pretraining: Pretraining;

beforeAll(async () => {
  cluster = await startCluster({ apis: 2, workers: 1, redis: 'persistent' });
  await cluster.workers[0]!.start();
  pretraining = await preparePretraining(cluster, STEPS);
}, MINUTES);
afterAll(() => cluster?.stop(), MINUTES);
afterEach(() => cluster.restoreLinks());

const startsWithin = (id: string, patience: number) =>
  cluster.until(id, ({ started_at }) => started_at !== null, patience);

describe('Redis', () => {
  const outages = {
    'killed, and back with what it held': async () => {
      await cluster.redis!.kill();
      await cluster.redis!.start();
    },
    'killed, and back empty': async () => {
      await cluster.redis!.kill();
      await cluster.redis!.forget();
      await cluster.redis!.start();
    },
    flushed: () => cluster.redis!.flush(),
  };
  test.each(Object.entries(outages))(
    '%s: what runs goes on, what waits moves again',
    async (_, happen) => {
      const running = await pretraining.submit();
      await pretraining.midway(running);
      const waiting = [await pretraining.submit(), await pretraining.submit()];
      await happen();
      expect((await pretraining.ended(running)).attempts).toBe(1);
      await startsWithin(waiting[0]!, MOVES_AGAIN);
      for (const id of waiting) expect((await pretraining.ended(id)).attempts).toBe(1);
    },
    MINUTES,
  );

  test(
    'away while runs are submitted: they are accepted, and start when it is back',
    async () => {
      await cluster.redis!.kill();
      const ids = [await pretraining.submit(), await pretraining.submit()];
      expect(await cluster.db.client.outbox.count()).toBe(2);
      await cluster.redis!.start();
      await startsWithin(ids[0]!, MOVES_AGAIN);
      for (const id of ids) expect((await pretraining.ended(id)).attempts).toBe(1);
      expect(await cluster.db.client.outbox.count()).toBe(0);
    },
    MINUTES,
  );
});

describe('Postgres', () => {
  test(
    'away for less than the lease: it costs no attempt',
    async () => {
      const id = await pretraining.submit();
      await pretraining.midway(id);
      await cluster.postgres.kill();
      await sleep(SHORT);
      await cluster.postgres.start();
      expect((await pretraining.ended(id)).attempts).toBe(1);
    },
    MINUTES,
  );

  test(
    'away for longer than the lease: the run goes on from its checkpoint',
    async () => {
      const id = await pretraining.submit({ config: { ...pretraining.request.config } });
      await pretraining.midway(id);
      await cluster.postgres.kill();
      await sleep(6000);
      await cluster.postgres.start();
      await pretraining.ended(id);
      expect((await pretraining.ended(await pretraining.submit())).attempts).toBe(1);
    },
    MINUTES,
  );
});

describe('the API', () => {
  test(
    'killed between the commit and the queue: what it had accepted runs',
    async () => {
      const [first, second] = cluster.apis;
      const worker = cluster.workers[0]!;
      await second!.stop('SIGKILL');
      await worker.stop();
      first!.links.redis!.cut();
      const { id } = await cluster.client(first).runs.create(pretraining.request);
      await first!.stop('SIGKILL');
      expect(await cluster.db.client.outbox.findMany()).toMatchObject([{ runId: id }]);
      cluster.restoreLinks();
      await Promise.all([second!.start(), worker.start()]);
      await startsWithin(id, MOVES_AGAIN);
      await pretraining.ended(id);
      await first!.start();
    },
    MINUTES,
  );

  test(
    '100 submissions at once with one Idempotency-Key are one run',
    async () => {
      const key = { idempotencyKey: 'the-same' };
      const clients = cluster.apis.map((api) => cluster.client(api));
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => clients[i % 2]!.runs.create(pretraining.request, key)),
      );
      expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
      const before = await cluster.db.client.run.count();
      await clients[1]!.runs.create(pretraining.request, key);
      expect(await cluster.db.client.run.count()).toBe(before);
      await pretraining.ended(answers[0]!.id);
    },
    MINUTES,
  );
});

describe('the network', () => {
  const faults: Record<string, (link: FaultProxy) => void> = {
    'is cut': (link) => link.cut(),
    'swallows everything': (link) => link.blackHole('to_server', 'to_client'),
    'swallows what goes to the server': (link) => link.blackHole('to_server'),
    'swallows what comes from the server': (link) => link.blackHole('to_client'),
    'is slow': (link) => link.delay(300),
  };
  test.each(Object.entries(faults))(
    '%s for less than the lease, between each pair: it costs no attempt',
    async (_, fail) => {
      const [worker, api] = [cluster.workers[0]!, cluster.apis[0]!];
      for (const link of [worker.links.postgres, worker.links.redis!]) {
        const id = await pretraining.submit();
        await pretraining.midway(id);
        fail(link);
        await sleep(SHORT);
        link.restore();
        expect((await pretraining.ended(id)).attempts).toBe(1);
      }
      for (const link of [api.links.postgres, api.links.redis!]) {
        fail(link);
        const submitted = pretraining.submit();
        await sleep(SHORT);
        link.restore();
        expect((await pretraining.ended(await submitted)).attempts).toBe(1);
      }
    },
    MINUTES,
  );
});

test('the ledger has its zeros', () => pretraining.checkLedger(), MINUTES);
