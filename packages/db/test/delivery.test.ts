import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createApiKey } from '../src/api-keys.ts';
import { type Answer, once } from '../src/idempotency.ts';
import { type Delivery, deliverableRuns, drainOutbox } from '../src/outbox.ts';
import { reconcile } from '../src/reconcile.ts';
import { createRun, getRun } from '../src/runs.ts';
import { addData, addWorker, begin, claim, crash, expireLease, submit, succeed } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const request = { stage: 'tokenizer' as const, inputs: { datasets: ['words'] } };

const CALM = {
  storageRoom: async (): Promise<number | undefined> => undefined,
  onError: (error: unknown) => {
    throw error;
  },
};

/** A queue that remembers what it was given. */
function collector() {
  const got: Delivery[] = [];
  const deliver = async (deliveries: Delivery[]) => void got.push(...deliveries);
  return { got, deliver, surroundings: { ...CALM, deliver } };
}

test('the outbox is delivered in order and emptied', async () => {
  await addData(use.db, 'words');
  const first = await submit(use.db, request);
  const second = await submit(use.db, request);
  const { got, deliver } = collector();
  expect(await drainOutbox(use.db, deliver)).toBe(2);
  expect(got).toEqual([first, second].map(({ id }) => ({ runId: id, stage: 'tokenizer', epoch: 0 })));
  expect(await drainOutbox(use.db, deliver)).toBe(0);
});

test('a crash between delivering and forgetting delivers again, and one claim wins', async () => {
  await addData(use.db, 'words');
  const run = await submit(use.db, request);
  const { got, deliver } = collector();
  const crashing = async (deliveries: Delivery[]) => {
    await deliver(deliveries);
    throw new Error('killed after the queue had it');
  };
  await expect(drainOutbox(use.db, crashing)).rejects.toThrow('killed');
  expect(await drainOutbox(use.db, deliver)).toBe(1);
  expect(got.map(({ runId }) => runId)).toEqual([run.id, run.id]);
  const worker = await addWorker(use.db);
  const claims = await Promise.all(got.map(({ runId }) => claim(use.db, runId, worker)));
  expect(claims.filter(Boolean)).toHaveLength(1);
});

test('reconciling several times at once recovers each run once and brings all that should move to the queue', async () => {
  await addData(use.db, 'words');
  const worker = await addWorker(use.db);
  const [lost, queued, busy, done] = [
    await submit(use.db, request),
    await submit(use.db, request),
    await submit(use.db, request),
    await submit(use.db, request),
  ];
  await begin(use.db, lost.id, worker);
  await begin(use.db, busy.id, worker);
  await succeed(use.db, (await begin(use.db, done.id, worker)).fence);
  await use.db.client.outbox.deleteMany(); // and the queue forgot all
  await expireLease(use.db, lost.id);
  const { got, surroundings } = collector();
  await Promise.all(Array.from({ length: 4 }, () => reconcile(use.db, surroundings)));
  expect(new Set(got.map(({ runId, epoch }) => `${runId} ${epoch}`))).toEqual(
    new Set([`${lost.id} 1`, `${queued.id} 0`]),
  );
  const losses = await use.db.client.runEvent.count({ where: { runId: lost.id, type: 'attempt_lost' } });
  expect(losses).toBe(1);
  expect((await getRun(use.db, busy.id)).state).toBe('running');
  const settled = await use.db.client.runEvent.count();
  await reconcile(use.db, surroundings);
  expect(await use.db.client.runEvent.count()).toBe(settled);
  await begin(use.db, lost.id, worker);
});

test('of a queue that was lost, the oldest runs of each stage are brought back first, the others as these go', async () => {
  await addData(use.db, 'words');
  const [first, second, third, other] = [
    await submit(use.db, request),
    await submit(use.db, request),
    await submit(use.db, request),
    await submit(use.db, request),
  ];
  await use.db.client.run.update({ where: { id: other.id }, data: { stage: 'pretrain' } });
  const due = async () => (await deliverableRuns(use.db, 2)).map(({ runId }) => runId);
  expect(await due()).toEqual([first.id, second.id, other.id]);
  await begin(use.db, first.id, await addWorker(use.db));
  expect(await due()).toEqual([second.id, third.id, other.id]);
});

test('a run that crashed is delivered under its new epoch', async () => {
  await addData(use.db, 'words');
  const run = await submit(use.db, request);
  const worker = await addWorker(use.db);
  const { got, deliver } = collector();
  await drainOutbox(use.db, deliver);
  await crash(use.db, (await begin(use.db, run.id, worker)).fence);
  await drainOutbox(use.db, deliver);
  expect(got.map(({ epoch }) => epoch)).toEqual([0, 1]);
});

test('concurrent repeats of a request create once and get one answer; another request conflicts', async () => {
  await addData(use.db, 'words');
  const apiKeyId = (await use.db.transaction((tx) => createApiKey(tx, { name: 'me', scopes: ['write'] }))).id;
  const post = (key: string, asked: string, keyId = apiKeyId): Promise<Answer> =>
    use.db.transaction((tx) =>
      once(tx, { apiKeyId: keyId, key, request: asked }, async () => ({
        status: 201,
        body: await createRun(tx, { ...request, seed: 1, max_attempts: 1 }),
      })),
    );
  const answers = await Promise.all(Array.from({ length: 8 }, () => post('k', 'a run')));
  expect(await use.db.client.run.count()).toBe(1);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  await expect(post('k', 'another run')).rejects.toMatchObject({ code: 'idempotency_conflict' });
  await post('other', 'a run');
  expect(await use.db.client.run.count()).toBe(2);
});

test('a request that failed may be repeated under its key; answers are forgotten after a day', async () => {
  await addData(use.db, 'words');
  const apiKeyId = (await use.db.transaction((tx) => createApiKey(tx, { name: 'me', scopes: ['write'] }))).id;
  const idempotency = { apiKeyId, key: randomUUID(), request: 'a run' };
  let asked = 0;
  const attempt = (fail: boolean) =>
    use.db.transaction((tx) =>
      once(tx, idempotency, async () => {
        asked++;
        if (fail) throw new Error('no');
        return { status: 201, body: {} };
      }),
    );
  await expect(attempt(true)).rejects.toThrow('no');
  await attempt(false);
  await attempt(false);
  expect(asked).toBe(2);
  await reconcile(use.db, collector().surroundings);
  expect(await use.db.client.idempotencyRecord.count()).toBe(1);
  await use.db.client.$executeRaw`UPDATE idempotency_records SET created_at = now() - interval '25 hours'`;
  await reconcile(use.db, collector().surroundings);
  expect(await use.db.client.idempotencyRecord.count()).toBe(0);
});
