import { setTimeout as sleep } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import { expect, test } from 'vitest';
import { claimRun } from '../src/attempts.ts';
import { FencedError, lockRun } from '../src/fence.ts';
import { cancelRun, createRun, getRun, listRuns, pauseRun, resumeRun, retryRun } from '../src/runs.ts';
import { addData, addWorker, begin, claim, end, pretraining, submit, succeed } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const tokenizerRun = { stage: 'tokenizer' as const, inputs: { datasets: ['words'] } };

const rows = async () => ({
  runs: await use.db.client.run.count(),
  outbox: await use.db.client.outbox.count(),
  events: await use.db.client.runEvent.count(),
  edges: await use.db.client.lineageEdge.count(),
});

test('a run is accepted with its outbox row, event and lineage in one transaction, or not at all', async () => {
  const data = await addData(use.db, 'words');
  const accept = (fail: boolean) =>
    use.db.transaction(async (tx) => {
      const run = await createRun(tx, { ...tokenizerRun, seed: 7, max_attempts: 3 });
      if (fail) throw new Error('the connection broke');
      return run;
    });
  await expect(accept(true)).rejects.toThrow('the connection broke');
  expect(await rows()).toEqual({ runs: 0, outbox: 0, events: 0, edges: 0 });
  const run = await accept(false);
  expect(run).toMatchObject({ state: 'queued', seed: 7, max_attempts: 3, epoch: 0, attempts: 0 });
  expect(run.inputs).toEqual({ datasets: [{ id: data, name: 'words@1' }] });
  expect(run.config).toEqual({ vocab_size: 1024, max_bytes: 50_000_000 });
  expect(await rows()).toEqual({ runs: 1, outbox: 1, events: 1, edges: 1 });
});

test('a refused run leaves nothing', async () => {
  await addData(use.db, 'words');
  const refused = [
    { ...tokenizerRun, config: { colour: 1 } },
    { ...tokenizerRun, inputs: { datasets: ['words', 'none'] } },
    { stage: 'pretrain' as const, inputs: { datasets: ['words'] } },
  ];
  for (const request of refused) await expect(submit(use.db, request)).rejects.toBeInstanceOf(TrainyardError);
  expect(await rows()).toEqual({ runs: 0, outbox: 0, events: 0, edges: 0 });
});

test('a claim raises the epoch and leases the run; a second one comes too late', async () => {
  const { run, worker } = await pretraining(use.db);
  const other = await addWorker(use.db);
  const [first, second] = await Promise.all([claim(use.db, run.id, worker), claim(use.db, run.id, other)]);
  expect([first, second].filter(Boolean)).toHaveLength(1);
  const winner = (first ?? second)!;
  expect(winner).toMatchObject({
    state: 'starting',
    epoch: 1,
    attempts: 1,
    startStep: 0,
    resumeManifests: [],
  });
  expect(winner.fence).toEqual({ runId: run.id, epoch: 1 });
  const row = await use.db.client.run.findUniqueOrThrow({ where: { id: run.id } });
  const [{ now }] = (await use.db.client.$queryRaw`SELECT now()`) as [{ now: Date }];
  const lease = (row.leaseExpiresAt!.getTime() - now.getTime()) / 1000;
  expect(lease).toBeGreaterThan(50);
  expect(lease).toBeLessThanOrEqual(60);
  const busy = await use.db.client.worker.findUniqueOrThrow({ where: { id: winner.worker_id! } });
  expect(busy.currentRunId).toBe(run.id);
});

test('a claim that fails half-way takes nothing', async () => {
  const { run } = await pretraining(use.db);
  const stranger = '00000000-0000-7000-8000-000000000000';
  const claiming = { workerId: stranger, backend: 'cpu', leaseSeconds: 60 };
  await expect(use.db.transaction((tx) => claimRun(tx, run.id, claiming))).rejects.toThrow();
  expect(await getRun(use.db, run.id)).toMatchObject({ state: 'queued', epoch: 0, attempts: 0 });
  expect(await use.db.client.runAttempt.count({ where: { runId: run.id } })).toBe(0);
});

test('a run that is gone is not to be had', async () => {
  const worker = await addWorker(use.db);
  expect(await claim(use.db, '00000000-0000-7000-8000-000000000000', worker)).toBeUndefined();
});

test('pausing a waiting run is immediate, and resuming queues it again', async () => {
  const { run, worker } = await pretraining(use.db);
  const paused = await use.db.transaction((tx) => pauseRun(tx, run.id));
  expect(paused.state).toBe('paused');
  expect((await use.db.transaction((tx) => pauseRun(tx, run.id))).state).toBe('paused');
  expect(await claim(use.db, run.id, worker)).toBeUndefined();
  await use.db.client.outbox.deleteMany();
  expect((await use.db.transaction((tx) => resumeRun(tx, run.id))).state).toBe('queued');
  expect(await use.db.client.outbox.count({ where: { runId: run.id } })).toBe(1);
  expect(await claim(use.db, run.id, worker)).toBeDefined();
});

test('cancelling ends a run at once where no worker has it, and orders it where one has', async () => {
  const { run, worker } = await pretraining(use.db);
  const second = await submit(use.db, { stage: 'tokenizer', inputs: { datasets: ['words'] } });
  const cancel = (id: string) => use.db.transaction((tx) => cancelRun(tx, id));
  expect(await cancel(second.id)).toMatchObject({
    state: 'cancelled',
    termination_reason: 'cancelled_by_user',
    finished_at: expect.any(String),
  });
  const { fence } = await begin(use.db, run.id, worker);
  expect(await cancel(run.id)).toMatchObject({ state: 'cancelling', termination_reason: null });
  expect(await cancel(run.id)).toMatchObject({ state: 'cancelling' });
  await end(use.db, fence, { kind: 'cancelled' });
  expect(await getRun(use.db, run.id)).toMatchObject({
    state: 'cancelled',
    termination_reason: 'cancelled_by_user',
    worker_id: null,
  });
  await expect(end(use.db, fence, { kind: 'cancelled' })).rejects.toBeInstanceOf(FencedError);
});

test.each(['paused', 'handed_back'] as const)(
  'an attempt that ends %s after the run was cancelled leaves a run cancelled by its user',
  async (kind) => {
    const { run, worker } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    await use.db.transaction((tx) => pauseRun(tx, run.id));
    await use.db.transaction((tx) => cancelRun(tx, run.id));
    await end(use.db, fence, { kind });
    expect(await getRun(use.db, run.id)).toMatchObject({
      state: 'cancelled',
      termination_reason: 'cancelled_by_user',
    });
  },
);

test('resumed while it was about to pause, a run goes back into the queue', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  await use.db.transaction((tx) => pauseRun(tx, run.id));
  expect((await use.db.transaction((tx) => resumeRun(tx, run.id))).state).toBe('running');
  await end(use.db, fence, { kind: 'paused' });
  expect(await getRun(use.db, run.id)).toMatchObject({ state: 'queued', worker_id: null });
});

test('what ended cannot be steered; a retry clears what it ended with', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  const error = { code: 'invalid_data', message: 'record 3 is too long' };
  await end(use.db, fence, { kind: 'failed', error, reason: 'user_error' });
  expect(await getRun(use.db, run.id)).toMatchObject({
    state: 'failed',
    error,
    termination_reason: 'user_error',
    state_reason: error.message,
  });
  for (const steer of [pauseRun, resumeRun, cancelRun])
    await expect(use.db.transaction((tx) => steer(tx, run.id))).rejects.toMatchObject({
      code: 'invalid_state',
    });
  expect(await use.db.transaction((tx) => retryRun(tx, run.id))).toMatchObject({
    state: 'queued',
    error: null,
    termination_reason: null,
    state_reason: null,
    finished_at: null,
  });
  const again = await begin(use.db, run.id, worker);
  expect(again.fence.epoch).toBe(2);
  await succeed(use.db, again.fence);
  await expect(use.db.transaction((tx) => retryRun(tx, run.id))).rejects.toMatchObject({
    code: 'invalid_state',
  });
});

test('text that Postgres cannot hold as JSON is kept readable, and stops nothing', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  const result = { answers: [{ text: 'a\u0000b', half: `c${'\ud83d'}` }], 'k\u0000': 1 };
  await end(use.db, fence, { kind: 'succeeded', result });
  expect((await getRun(use.db, run.id)).result).toEqual({
    answers: [{ text: 'a\ufffdb', half: 'c\ufffd' }],
    'k\ufffd': 1,
  });
});

test('pages follow one another without gap or overlap, filters hold, cursors are checked', async () => {
  await addData(use.db, 'words');
  const made: string[] = [];
  for (let i = 0; i < 5; i++) made.push((await submit(use.db, tokenizerRun)).id);
  await use.db.transaction((tx) => cancelRun(tx, made[0]!));
  const first = await listRuns(use.db, { limit: 2 });
  const second = await listRuns(use.db, { limit: 2, after: first.data.at(-1)!.id });
  const last = await listRuns(use.db, { limit: 2, after: second.data.at(-1)!.id });
  expect([first, second, last].map(({ data, has_more }) => [data.length, has_more])).toEqual([
    [2, true],
    [2, true],
    [1, false],
  ]);
  const ids = [...first.data, ...second.data, ...last.data].map(({ id }) => id);
  expect(ids).toEqual([...made].sort().reverse());
  expect((await listRuns(use.db, { limit: 5 })).has_more).toBe(false);
  expect((await listRuns(use.db, { state: 'cancelled' })).data.map(({ id }) => id)).toEqual([made[0]]);
  expect((await listRuns(use.db, { stage: 'rl' })).data).toEqual([]);
  await expect(listRuns(use.db, { after: 'yesterday' })).rejects.toMatchObject({
    code: 'invalid_request',
    param: 'after',
  });
});

test('transactions that block each other are tried again', async () => {
  await addData(use.db, 'words');
  const [a, b] = [await submit(use.db, tokenizerRun), await submit(use.db, tokenizerRun)];
  let holding = 0;
  const lockBoth = (first: string, second: string) =>
    use.db.transaction(async (tx) => {
      await lockRun(tx, first);
      holding += 1;
      while (holding < 2) await sleep(5);
      await pauseRun(tx, second);
    });
  await Promise.all([lockBoth(a.id, b.id), lockBoth(b.id, a.id)]);
  expect([(await getRun(use.db, a.id)).state, (await getRun(use.db, b.id)).state]).toEqual([
    'paused',
    'paused',
  ]);
  expect(holding).toBe(3);
});

test('Postgres itself ends a transaction that its process left open, so that a frozen one blocks nobody', async () => {
  const [row] = await use.db.client.$queryRaw<object[]>`SHOW idle_in_transaction_session_timeout`;
  expect(row).toEqual({ idle_in_transaction_session_timeout: '10s' });
});
