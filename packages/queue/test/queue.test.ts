import { createDatabase, type EmbeddedPostgres, startTestPostgres } from '@trainyard/embedded';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Consumer, type Delivery, type Outcome, openQueue, type Queue } from '../src/index.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';

let postgres: EmbeddedPostgres;
let redis: RedisServer | undefined;
let redisUrl: string;
let databaseUrl: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  databaseUrl = await createDatabase(postgres.url, 'queue');
  // The one setting that tests read: a server of the machine in place of one that they start.
  if (process.env.REDIS_URL === undefined) redis = await startRedisServer();
  redisUrl = process.env.REDIS_URL ?? redis!.url;
});
afterAll(async () => {
  await postgres.stop();
  await redis?.stop();
});

/** A handler that records what it gets and answers what the test says. */
function recorder(answer: (delivery: Delivery, call: number) => Outcome) {
  const got: Delivery[] = [];
  let arrived = () => {};
  return {
    got,
    handler: async (delivery: Delivery) => {
      got.push(delivery);
      arrived();
      return answer(delivery, got.length);
    },
    async until(count: number): Promise<void> {
      while (got.length < count) await new Promise<void>((resolve) => (arrived = resolve));
    },
  };
}

const run = (runId: string, stage = 'pretrain', epoch = 0): Delivery => ({ runId, stage, epoch });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually<T>(read: () => Promise<T>, wanted: T): Promise<void> {
  for (const until = Date.now() + 20_000; ; await sleep(50)) {
    const got = await read();
    if (JSON.stringify(got) === JSON.stringify(wanted)) return;
    if (Date.now() > until) expect(got).toEqual(wanted);
  }
}

let number = 0;

describe.each(['redis', 'postgres'] as const)('on %s', (kind) => {
  let queue: Queue;
  let prefix: string;
  const opened: Queue[] = [];

  async function open(): Promise<Queue> {
    const another = await openQueue({ ...(kind === 'redis' ? { redisUrl } : {}), databaseUrl, prefix });
    opened.push(another);
    return another;
  }
  beforeEach(async () => {
    number += 1;
    prefix = `test_${process.pid}_${number}`;
    queue = await open();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });

  test('delivers ids and nothing else, once, and then forgets them', async () => {
    expect(queue.kind).toBe(kind);
    await queue.ping();
    const { got, handler, until } = recorder(() => 'stale');
    await queue.consume(['pretrain', 'eval'], handler);
    await queue.enqueue([{ ...run('a'), secret: 1 } as Delivery, run('b', 'eval', 3)]);
    await until(2);
    await eventually(() => queue.depth(['pretrain', 'eval']), { pretrain: 0, eval: 0 });
    await sleep(500);
    expect(got.toSorted((x, y) => x.runId.localeCompare(y.runId))).toEqual([
      { runId: 'a', stage: 'pretrain', epoch: 0 },
      { runId: 'b', stage: 'eval', epoch: 3 },
    ]);
  });

  test('adding again while it waits adds nothing; after delivery it may be added again', async () => {
    await queue.enqueue([run('a'), run('b')]);
    await queue.enqueue([run('a'), run('a', 'pretrain', 1)]);
    await queue.enqueue([]);
    expect(await queue.depth(['pretrain', 'rl'])).toEqual({ pretrain: 3, rl: 0 });
    const { got, handler, until } = recorder(() => 'stale');
    await queue.consume(['pretrain'], handler);
    await until(3);
    await eventually(() => queue.depth(['pretrain']), { pretrain: 0 });
    await queue.enqueue([run('a')]);
    await until(4);
    expect(got.map(({ runId, epoch }) => `${runId}${epoch}`)).toEqual(['a0', 'b0', 'a1', 'a0']);
  });

  test('busy comes again, and so does what a handler threw on; it stays one delivery', async () => {
    const { got, handler, until } = recorder((_, call) => {
      if (call === 1) throw new Error('the database blinked');
      return call === 2 ? 'busy' : 'stale';
    });
    await queue.consume(['pretrain'], handler);
    await queue.enqueue([run('a')]);
    await until(1);
    await queue.enqueue([run('a')]);
    await until(3);
    await eventually(() => queue.depth(['pretrain']), { pretrain: 0 });
    expect(got).toEqual([run('a'), run('a'), run('a')]);
  });

  test('after taken a consumer gets nothing of any stage until resume; another one gets it', async () => {
    const first = recorder(() => 'taken');
    const one = await queue.consume(['pretrain', 'rl'], first.handler);
    await queue.enqueue([run('a')]);
    await first.until(1);
    await queue.enqueue([run('b', 'rl'), run('c')]);
    await sleep(1500);
    expect(first.got).toEqual([run('a')]);
    expect(await queue.depth(['pretrain', 'rl'])).toEqual({ pretrain: 1, rl: 1 });
    const second = recorder(() => 'taken');
    await (await open()).consume(['rl'], second.handler);
    await second.until(1);
    expect(second.got).toEqual([run('b', 'rl')]);
    await one.resume();
    await first.until(2);
    expect(first.got[1]).toEqual(run('c'));
  });

  test('a resume that overtakes the answer taken is not lost; pause holds', async () => {
    const recorded = recorder(() => 'taken');
    const consumer: Consumer = await queue.consume(['pretrain'], async (delivery) => {
      await consumer.resume();
      return recorded.handler(delivery);
    });
    await queue.enqueue([run('a'), run('b')]);
    await recorded.until(2);
    await consumer.pause();
    await queue.enqueue([run('c')]);
    await sleep(500);
    expect(recorded.got).toEqual([run('a'), run('b')]);
  });

  test('consumers share the work, and a stage without a consumer waits', async () => {
    const one = recorder(() => 'stale');
    const two = recorder(() => 'stale');
    await queue.consume(['pretrain'], one.handler);
    await (await open()).consume(['pretrain', 'eval'], two.handler);
    const runs = Array.from({ length: 20 }, (_, i) => run(`r${i}`));
    await queue.enqueue([...runs, run('x', 'tokenizer')]);
    await eventually(() => queue.depth(['pretrain', 'tokenizer']), { pretrain: 0, tokenizer: 1 });
    await eventually(async () => one.got.length + two.got.length, 20);
    const ids = [...one.got, ...two.got].map(({ runId }) => runId);
    expect(new Set(ids).size).toBe(20);
  });

  test('close ends consumption at once and twice', async () => {
    const { got, handler } = recorder(() => 'stale');
    const other = await open();
    await other.consume(['pretrain'], handler);
    await other.close();
    await other.close();
    await queue.enqueue([run('a')]);
    await sleep(500);
    expect(got).toEqual([]);
    expect(await queue.depth(['pretrain'])).toEqual({ pretrain: 1 });
  });
});

test('what is wrong in the options is said', async () => {
  await expect(openQueue({})).rejects.toMatchObject({ code: 'invalid_config' });
  await expect(openQueue({ redisUrl, prefix: 'a:b' })).rejects.toMatchObject({ param: 'prefix' });
});
