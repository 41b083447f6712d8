import { describe, expect, test } from 'vitest';
import {
  expiredRuns,
  heartbeat,
  listAttempts,
  type Outcome,
  recordStart,
  recoverExpired,
} from '../src/attempts.ts';
import { getCheckpoint, recordDamage } from '../src/checkpoints.ts';
import { FencedError } from '../src/fence.ts';
import { recordMetrics, recordTrainerEvent } from '../src/metrics.ts';
import { reconcile } from '../src/reconcile.ts';
import { cancelRun, getRun, pauseRun, resumeRun, unblockRun } from '../src/runs.ts';
import {
  addWorker,
  begin,
  claim,
  crash,
  end,
  expireLease,
  pretraining,
  publishCheckpoint,
  publishTokenizer,
  submit,
  succeed,
} from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const recover = (id: string) => use.db.transaction((tx) => recoverExpired(tx, id));
const metric = { step: 1, at: new Date(), values: { loss: 2 } };

describe('the fence', () => {
  const contents = async () => {
    const { client } = use.db;
    return {
      runs: await client.run.findMany({ orderBy: { id: 'asc' } }),
      attempts: await client.runAttempt.findMany({ orderBy: [{ runId: 'asc' }, { epoch: 'asc' }] }),
      counts: [
        await client.runMetric.count(),
        await client.runEvent.count(),
        await client.checkpoint.count(),
        await client.tokenizer.count(),
        await client.lineageEdge.count(),
        await client.outbox.count(),
      ],
    };
  };
  type Writer = (fence: { runId: string; epoch: number }, tokenizer: string) => Promise<unknown>;
  const WRITES: [string, Writer][] = [
    ['metrics', (fence) => use.db.transaction((tx) => recordMetrics(tx, fence, [metric]))],
    ['a checkpoint', (fence, tokenizer) => publishCheckpoint(use.db, fence, 5, tokenizer)],
    ['a tokenizer', (fence) => publishTokenizer(use.db, fence)],
    ['an event', (fence) => use.db.transaction((tx) => recordTrainerEvent(tx, fence, 'samples', {}))],
    ['a start', (fence) => use.db.transaction((tx) => recordStart(tx, fence))],
    ['success', (fence) => succeed(use.db, fence)],
    ['a crash', (fence) => crash(use.db, fence)],
    ['a hand-back', (fence) => end(use.db, fence, { kind: 'handed_back' })],
  ];

  test.each(WRITES)('%s of an old epoch changes nothing', async (_name, write) => {
    const { run, worker, tokenizer } = await pretraining(use.db);
    const old = await begin(use.db, run.id, worker, 1);
    await expireLease(use.db, run.id);
    await recover(run.id);
    for (const successor of [undefined, await addWorker(use.db)]) {
      if (successor) await begin(use.db, run.id, successor);
      const before = await contents();
      await expect(write(old.fence, tokenizer)).rejects.toBeInstanceOf(FencedError);
      expect(await heartbeat(use.db, old.fence, 60, { step: 99 })).toBe('fenced');
      expect(await contents()).toEqual(before);
    }
  });

  test('says which epoch is over', async () => {
    const { run, worker } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    await succeed(use.db, fence);
    await expect(crash(use.db, fence)).rejects.toThrow(
      `Epoch 1 of run ${run.id} is over: it is succeeded in epoch 1.`,
    );
  });
});

describe('the lease', () => {
  test('a run of a silent worker is recovered once and claimed by another', async () => {
    const { run, worker } = await pretraining(use.db);
    await begin(use.db, run.id, worker);
    expect(await expiredRuns(use.db)).toEqual([]);
    expect(await recover(run.id)).toBe(false);
    await expireLease(use.db, run.id);
    expect(await expiredRuns(use.db)).toEqual([run.id]);
    const took = await Promise.all([recover(run.id), recover(run.id), recover(run.id)]);
    expect(took.filter(Boolean)).toHaveLength(1);
    expect(await getRun(use.db, run.id)).toMatchObject({ state: 'recovering', worker_id: null, epoch: 1 });
    const idle = await use.db.client.worker.findUniqueOrThrow({ where: { id: worker } });
    expect(idle.currentRunId).toBeNull();
    const successor = await addWorker(use.db);
    expect(await claim(use.db, run.id, successor)).toMatchObject({ epoch: 2, worker_id: successor });
    expect(await listAttempts(use.db, run.id)).toMatchObject([
      { epoch: 1, outcome: 'lost', error: { code: 'lease_expired' }, worker_id: worker },
      { epoch: 2, outcome: null, worker_id: successor },
    ]);
  });

  test('a heartbeat that comes before the recovery keeps the run', async () => {
    const { run, worker } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    await expireLease(use.db, run.id);
    expect(await heartbeat(use.db, fence, 60)).toBe('continue');
    expect(await recover(run.id)).toBe(false);
    expect((await getRun(use.db, run.id)).state).toBe('running');
  });

  test('a heartbeat carries progress and brings orders', async () => {
    const { run, worker } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    const progress = {
      step: 3,
      total_steps: 9,
      values: { loss: 1.5 },
      tokens_per_second: null,
      seconds_left: 4,
    };
    expect(await heartbeat(use.db, fence, 60, progress)).toBe('continue');
    expect(await heartbeat(use.db, fence, 60)).toBe('continue');
    expect((await getRun(use.db, run.id)).progress).toEqual(progress);
    await use.db.transaction((tx) => pauseRun(tx, run.id));
    expect(await heartbeat(use.db, fence, 60)).toBe('pause');
    await use.db.transaction((tx) => cancelRun(tx, run.id));
    expect(await heartbeat(use.db, fence, 60)).toBe('cancel');
    await end(use.db, fence, { kind: 'cancelled' });
    expect(await heartbeat(use.db, fence, 60)).toBe('fenced');
  });

  test.each([
    ['paused', pauseRun, null],
    ['cancelled', cancelRun, 'cancelled_by_user'],
  ] as const)('what was to be %s is, though its worker died', async (state, steer, reason) => {
    const { run, worker } = await pretraining(use.db, { max_attempts: 1 });
    await begin(use.db, run.id, worker);
    await use.db.transaction((tx) => steer(tx, run.id));
    await expireLease(use.db, run.id);
    await recover(run.id);
    expect(await getRun(use.db, run.id)).toMatchObject({ state, termination_reason: reason });
  });
});

describe('the budget of barren attempts', () => {
  test('is used up by deaths without progress, and the run fails with the last evidence', async () => {
    const { run, worker } = await pretraining(use.db, { max_attempts: 2 });
    await crash(use.db, (await begin(use.db, run.id, worker)).fence);
    expect(await getRun(use.db, run.id)).toMatchObject({ state: 'recovering', error: null });
    await crash(use.db, (await begin(use.db, run.id, worker)).fence, 'it died again');
    expect(await getRun(use.db, run.id)).toMatchObject({
      state: 'failed',
      termination_reason: 'infrastructure',
      attempts: 2,
      error: {
        code: 'trainer_died',
        message: '2 attempts in a row ended without progress; the last: it died again',
        evidence: { signal: 'SIGKILL' },
      },
    });
    expect((await listAttempts(use.db, run.id)).map(({ outcome }) => outcome)).toEqual([
      'crashed',
      'crashed',
    ]);
    const quarantine = await use.db.client.runEvent.findFirstOrThrow({ where: { type: 'quarantined' } });
    expect(quarantine.data).toMatchObject({
      attempts: [
        { epoch: 2, error: { message: 'it died again' } },
        { epoch: 1, error: { message: 'it died' } },
      ],
    });
  });

  test('is restored by a checkpoint that goes further, not by one that does not', async () => {
    const { run, worker, tokenizer } = await pretraining(use.db, { max_attempts: 2 });
    for (const step of [10, 20, 30]) {
      const { fence, startStep } = await begin(use.db, run.id, worker);
      expect(startStep).toBe(step - 10);
      await publishCheckpoint(use.db, fence, step, tokenizer);
      await crash(use.db, fence);
      expect((await getRun(use.db, run.id)).state).toBe('recovering');
    }
    for (const state of ['recovering', 'failed']) {
      await crash(use.db, (await begin(use.db, run.id, worker)).fence);
      expect((await getRun(use.db, run.id)).state).toBe(state);
    }
  });

  test('is not touched by workers that hand back in good order', async () => {
    const { run, worker } = await pretraining(use.db, { max_attempts: 1 });
    for (let i = 0; i < 3; i++) {
      await end(use.db, (await begin(use.db, run.id, worker)).fence, { kind: 'handed_back' });
      expect((await getRun(use.db, run.id)).state).toBe('queued');
    }
  });

  test('is restored by progress, however the attempt ends', async () => {
    const { run, worker, tokenizer } = await pretraining(use.db, { max_attempts: 2 });
    const barren = async () =>
      (await use.db.client.run.findUniqueOrThrow({ where: { id: run.id } })).barrenAttempts;
    const blocked: Outcome = { kind: 'blocked', error: { code: 'storage_full', message: 'no room' } };
    const outcomes: Outcome[] = [{ kind: 'handed_back' }, blocked, { kind: 'paused' }];
    for (const [i, outcome] of outcomes.entries()) {
      await crash(use.db, (await begin(use.db, run.id, worker)).fence);
      expect(await barren()).toBe(1);
      const { fence } = await begin(use.db, run.id, worker);
      await publishCheckpoint(use.db, fence, i + 1, tokenizer);
      if (outcome.kind === 'paused') await use.db.transaction((tx) => pauseRun(tx, run.id));
      await end(use.db, fence, outcome);
      expect(await barren(), outcome.kind).toBe(0);
      if (outcome.kind === 'blocked') await use.db.transaction((tx) => unblockRun(tx, run.id));
    }
  });

  test('is not exceeded by deaths of a run that is to be paused, which has one more attempt', async () => {
    const { run, worker } = await pretraining(use.db, { max_attempts: 2 });
    for (let i = 0; i < 3; i++) {
      const { fence } = await begin(use.db, run.id, worker);
      await use.db.transaction((tx) => pauseRun(tx, run.id));
      await crash(use.db, fence);
      expect((await getRun(use.db, run.id)).state).toBe('paused');
      await use.db.transaction((tx) => resumeRun(tx, run.id));
    }
    await crash(use.db, (await begin(use.db, run.id, worker)).fence, 'it died');
    expect(await getRun(use.db, run.id)).toMatchObject({
      state: 'failed',
      error: { message: '2 attempts in a row ended without progress; the last: it died' },
    });
  });
});

test('a run that was paused while it waited for room goes on without that error', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  await end(use.db, fence, { kind: 'blocked', error: { code: 'storage_full', message: 'no room' } });
  await use.db.transaction((tx) => pauseRun(tx, run.id));
  expect(await getRun(use.db, run.id)).toMatchObject({ state: 'paused', error: { code: 'storage_full' } });
  await use.db.transaction((tx) => resumeRun(tx, run.id));
  expect(await getRun(use.db, run.id)).toMatchObject({ state: 'queued', error: null });
});

test('a new attempt starts at the furthest checkpoint', async () => {
  const { run, worker, tokenizer } = await pretraining(use.db);
  const first = await begin(use.db, run.id, worker);
  await publishCheckpoint(use.db, first.fence, 10, tokenizer);
  await publishCheckpoint(use.db, first.fence, 20, tokenizer, { manifestSha256: 'f'.repeat(64) });
  await end(use.db, first.fence, { kind: 'handed_back' });
  expect(await claim(use.db, run.id, worker)).toMatchObject({
    startStep: 20,
    resumeManifests: ['f'.repeat(64), expect.any(String)],
    epoch: 2,
  });
});

test('the time under lease adds up over attempts', async () => {
  const { run, worker } = await pretraining(use.db);
  for (const seconds of [30, 12]) {
    const { fence } = await begin(use.db, run.id, worker);
    await use.db.client
      .$executeRaw`UPDATE run_attempts SET started_at = now() - ${seconds} * interval '1 second' WHERE run_id = ${run.id}::uuid AND epoch = ${fence.epoch}`;
    await end(use.db, fence, { kind: 'handed_back' });
  }
  expect((await getRun(use.db, run.id)).training_seconds).toBeCloseTo(42, 0);
});

describe('a checkpoint that could not be loaded', () => {
  test('is set aside: the run goes on from the one before, and its attempt counts from there', async () => {
    const { run, worker, tokenizer } = await pretraining(use.db, { max_attempts: 2 });
    const first = await begin(use.db, run.id, worker);
    const before = await publishCheckpoint(use.db, first.fence, 10, tokenizer);
    const damaged = await publishCheckpoint(use.db, first.fence, 20, tokenizer, {
      manifestSha256: 'f'.repeat(64),
    });
    await crash(use.db, first.fence);
    const second = await begin(use.db, run.id, worker);
    expect(second.resumeManifests[0]).toBe('f'.repeat(64));
    await use.db.transaction((tx) =>
      recordDamage(tx, second.fence, { manifestSha256: 'f'.repeat(64), message: 'a bit was flipped' }),
    );
    expect((await getCheckpoint(use.db, damaged)).damaged_at).not.toBeNull();
    expect(await getRun(use.db, run.id)).toMatchObject({ checkpoint_id: before });
    expect((await listAttempts(use.db, run.id))[1]).toMatchObject({ start_step: 10 });
    const event = await use.db.client.runEvent.findFirstOrThrow({ where: { type: 'checkpoint_damaged' } });
    expect(event.data).toMatchObject({ checkpoint_id: damaged, step: 20, goes_on_from: before });
    await publishCheckpoint(use.db, second.fence, 15, tokenizer); // progress, though it is short of the damaged one
    await crash(use.db, second.fence);
    expect((await getRun(use.db, run.id)).state).toBe('recovering');
    const third = await begin(use.db, run.id, worker);
    expect(third).toMatchObject({ startStep: 15 });
    expect(third.resumeManifests).not.toContain('f'.repeat(64));
  });
});

describe('a run whose checkpoint could not be stored', () => {
  const full = (needed?: number) => ({
    kind: 'blocked' as const,
    error: {
      code: 'storage_full',
      message: 'No space was left.',
      ...(needed !== undefined && { evidence: { needed_bytes: needed } }),
    },
  });
  const blockedFor = (seconds: number) =>
    use.db.client.$executeRaw`UPDATE run_attempts SET ended_at = now() - ${seconds} * interval '1 second'`;
  const reconcileWith = (room: number | undefined) =>
    reconcile(use.db, {
      deliver: async () => {},
      storageRoom: async () => room,
      onError: (error) => {
        throw error;
      },
    });

  test('waits, which counts as no death, until there is room for it', async () => {
    const { run, worker } = await pretraining(use.db, { max_attempts: 1 });
    await end(use.db, (await begin(use.db, run.id, worker)).fence, full(1000));
    expect(await getRun(use.db, run.id)).toMatchObject({
      state: 'blocked_storage',
      state_reason: 'No space was left.',
      worker_id: null,
      finished_at: null,
    });
    await reconcileWith(5000);
    expect((await getRun(use.db, run.id)).state).toBe('blocked_storage'); // since a moment only
    await blockedFor(10);
    await reconcileWith(999);
    expect((await getRun(use.db, run.id)).state).toBe('blocked_storage');
    await reconcileWith(1000);
    expect(await getRun(use.db, run.id)).toMatchObject({ state: 'queued', error: null, state_reason: null });
    await succeed(use.db, (await begin(use.db, run.id, worker)).fence);
  });

  test('is tried again where the room is not known', async () => {
    const { run, worker } = await pretraining(use.db);
    await end(use.db, (await begin(use.db, run.id, worker)).fence, full());
    await blockedFor(10);
    await reconcileWith(undefined);
    expect((await getRun(use.db, run.id)).state).toBe('queued');
  });

  test.each([
    ['paused', pauseRun],
    ['cancelled', cancelRun],
  ] as const)('can be %s, while it waits or before', async (state, steer) => {
    const { run, worker } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    await use.db.transaction((tx) => steer(tx, run.id));
    await end(use.db, fence, full());
    expect(await getRun(use.db, run.id)).toMatchObject({ state, error: null });
    const other = await submit(use.db, { stage: 'tokenizer', inputs: { datasets: ['words'] } });
    await end(use.db, (await begin(use.db, other.id, worker)).fence, full());
    await use.db.transaction((tx) => steer(tx, other.id));
    expect((await getRun(use.db, other.id)).state).toBe(state);
  });
});

test('one run that cannot be reconciled does not hold up the others', async () => {
  const { run, worker } = await pretraining(use.db);
  await begin(use.db, run.id, worker);
  await expireLease(use.db, run.id);
  const delivered: string[] = [];
  const failed: string[] = [];
  await reconcile(use.db, {
    deliver: async (deliveries) => void delivered.push(...deliveries.map(({ runId }) => runId)),
    storageRoom: () => Promise.reject(new Error('the store is away')),
    onError: (_, part) => failed.push(part),
  });
  expect(delivered).toContain(run.id);
  expect(failed).toEqual([]);
  const blocked = await submit(use.db, { stage: 'tokenizer', inputs: { datasets: ['words'] } });
  const { fence } = await begin(use.db, blocked.id, worker);
  await end(use.db, fence, { kind: 'blocked', error: { code: 'unavailable', message: 'away' } });
  await use.db.client
    .$executeRaw`UPDATE run_attempts SET ended_at = now() - interval '1 minute' WHERE ended_at IS NOT NULL`;
  delivered.length = 0;
  await reconcile(use.db, {
    deliver: async (deliveries) => void delivered.push(...deliveries.map(({ runId }) => runId)),
    storageRoom: () => Promise.reject(new Error('the store is away')),
    onError: (_, part) => failed.push(part),
  });
  expect(failed).toEqual(['blocked runs']);
  expect(delivered).toContain(run.id);
});
