import { expect, test } from 'vitest';
import { listAttempts } from '../src/attempts.ts';
import { recordDamage } from '../src/checkpoints.ts';
import type { Fence } from '../src/fence.ts';
import { listEvents, listMetrics, recordMetrics } from '../src/metrics.ts';
import { getRun } from '../src/runs.ts';
import { begin, claim, crash, pretraining, publishCheckpoint, publishTokenizer, submit } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const manifest = (letter: string) => letter.repeat(64);
const report = (fence: Fence, manifestSha256: string) =>
  use.db.transaction((tx) => recordDamage(tx, fence, { manifestSha256, message: 'not what was written' }));
const measure = (fence: Fence, from: number, to: number) =>
  use.db.transaction((tx) =>
    recordMetrics(
      tx,
      fence,
      Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, at: new Date(), values: {} })),
    ),
  );
const curve = async (runId: string) =>
  (await listMetrics(use.db, runId, {})).data.map(({ step, epoch }) => `${step}@${epoch}`);

/** A run whose first attempt died at step 4 with a checkpoint at 2, and whose second is at 7 with others at 4 and 6. */
async function rewinding() {
  const { run, worker, tokenizer } = await pretraining(use.db);
  const publish = (fence: Fence, step: number, letter: string) =>
    publishCheckpoint(use.db, fence, step, tokenizer, { manifestSha256: manifest(letter) });
  const first = await begin(use.db, run.id, worker);
  await measure(first.fence, 1, 4);
  await publish(first.fence, 2, 'a');
  await crash(use.db, first.fence);
  const { fence } = await begin(use.db, run.id, worker);
  await measure(fence, 3, 7);
  await publish(fence, 4, 'b');
  const last = await publish(fence, 6, 'c');
  return { run, worker, fence, publish, last };
}

test('an attempt that goes back to its own checkpoint still supersedes older ones, and has made progress', async () => {
  const { run, fence } = await rewinding();
  await report(fence, manifest('c'));
  expect((await listAttempts(use.db, run.id))[1]).toMatchObject({ start_step: 2 });
  expect(await curve(run.id)).toEqual(['1@1', '2@1', '3@2', '4@2']);
  await crash(use.db, fence);
  expect((await use.db.client.run.findUniqueOrThrow({ where: { id: run.id } })).barrenAttempts).toBe(0);
});

test('an attempt that goes back past its start leaves a curve that ends there', async () => {
  const { run, fence } = await rewinding();
  for (const letter of ['c', 'b', 'a']) await report(fence, manifest(letter));
  expect((await listAttempts(use.db, run.id))[1]).toMatchObject({ start_step: 0 });
  expect(await curve(run.id)).toEqual([]);
});

test('damage that is reported again changes nothing', async () => {
  const { run, fence } = await rewinding();
  await report(fence, manifest('c'));
  await measure(fence, 5, 7);
  const events = await listEvents(use.db, run.id, 0, 100);
  await report(fence, manifest('c'));
  expect(await listEvents(use.db, run.id, 0, 100)).toEqual(events);
  expect(await curve(run.id)).toHaveLength(7);
});

test('a checkpoint that is written again, since its answer was lost, stays as it is', async () => {
  const { run, fence, publish, last } = await rewinding();
  const events = await listEvents(use.db, run.id, 0, 100);
  expect(await publish(fence, 6, 'c')).toBe(last);
  expect(await listEvents(use.db, run.id, 0, 100)).toEqual(events);
});

test('a damaged checkpoint that its attempt makes once more is whole again', async () => {
  const { run, worker, fence, publish, last } = await rewinding();
  await report(fence, manifest('c'));
  expect(await publish(fence, 6, 'd')).toBe(last);
  expect((await getRun(use.db, run.id)).checkpoint_id).toBe(last);
  await crash(use.db, fence);
  const next = await claim(use.db, run.id, worker);
  expect(next).toMatchObject({ startStep: 6, resumeManifests: ['d', 'b', 'a'].map(manifest) });
});

test('a run can go on from each of its checkpoints, however many are damaged', async () => {
  const config = { checkpointing: { keep: { last: 12 } } };
  const { run, worker, tokenizer } = await pretraining(use.db, { config });
  const { fence } = await begin(use.db, run.id, worker);
  for (let step = 1; step <= 12; step++) await publishCheckpoint(use.db, fence, step, tokenizer);
  await crash(use.db, fence);
  expect((await claim(use.db, run.id, worker))?.resumeManifests).toHaveLength(12);
});

test('a tokenizer that is written again stays one', async () => {
  const { worker } = await pretraining(use.db);
  const run = await submit(use.db, { stage: 'tokenizer', inputs: { datasets: ['words'] } });
  const { fence } = await begin(use.db, run.id, worker);
  expect(await publishTokenizer(use.db, fence)).toBe(await publishTokenizer(use.db, fence));
});
