import type { CreatePipeline, Run } from '@trainyard/contracts';
import { describe, expect, test } from 'vitest';
import { endAttempt, heartbeat, recoverExpired } from '../src/attempts.ts';
import type { Tx } from '../src/client.ts';
import { addDatasetVersion } from '../src/datasets.ts';
import { cancelPipeline, createPipeline, getPipeline, settlePipeline } from '../src/pipelines.ts';
import { cancelRun, getRun, retryRun } from '../src/runs.ts';
import {
  addData,
  addWorker,
  begin,
  content,
  crash,
  end,
  expireLease,
  publishCheckpoint,
  publishTokenizer,
  succeed,
} from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();

const stage = (name: string, kind: Run['stage'], inputs: object, config: object = {}) => ({
  name,
  stage: kind,
  inputs,
  config,
  seed: 1,
  max_attempts: 2,
});
const RECIPE = [
  stage('tokens', 'tokenizer', { datasets: ['words'] }),
  stage('base', 'pretrain', { datasets: ['words'], tokenizer: { stage: 'tokens' } }),
  stage('assistant', 'finetune', { datasets: ['chats'], base: { stage: 'base' } }),
  stage('score', 'eval', { datasets: ['words'], base: { stage: 'base' } }),
];
const create = (stages: object[], name = 'recipe') =>
  use.db.transaction((tx) => createPipeline(tx, { name, stages } as CreatePipeline));

async function start(): Promise<{ id: string; worker: string; run: (name: string) => Promise<Run> }> {
  await addData(use.db, 'words');
  await addData(use.db, 'chats', 'chat');
  const { id, runs } = await create(RECIPE);
  const ids = new Map(runs.map((run) => [run.pipeline_stage, run.id]));
  return { id, worker: await addWorker(use.db), run: (name) => getRun(use.db, ids.get(name)!) };
}
const states = async (id: string) => (await getPipeline(use.db, id)).runs.map(({ state }) => state);
const begun = async (made: Awaited<ReturnType<typeof start>>, name: string) =>
  begin(use.db, (await made.run(name)).id, made.worker);

async function trainTokens(made: Awaited<ReturnType<typeof start>>): Promise<string> {
  const { fence } = await begun(made, 'tokens');
  const tokenizer = await publishTokenizer(use.db, fence);
  await succeed(use.db, fence);
  return tokenizer;
}

describe('moving on', () => {
  test('a stage starts when its parents succeeded, with what they made', async () => {
    const made = await start();
    expect(await states(made.id)).toEqual(['queued', 'waiting', 'waiting', 'waiting']);
    expect(await use.db.client.outbox.count()).toBe(1);
    const tokenizer = await trainTokens(made);
    expect(await states(made.id)).toEqual(['succeeded', 'queued', 'waiting', 'waiting']);
    expect((await made.run('base')).inputs).toMatchObject({ tokenizer, datasets: [{ name: 'words@1' }] });
    const { fence } = await begun(made, 'base');
    await publishCheckpoint(use.db, fence, 5, tokenizer);
    const final = await publishCheckpoint(use.db, fence, 10, tokenizer, { final: true });
    expect(await states(made.id)).toEqual(['succeeded', 'running', 'waiting', 'waiting']);
    await succeed(use.db, fence);
    expect(await states(made.id)).toEqual(['succeeded', 'succeeded', 'queued', 'queued']);
    expect((await made.run('assistant')).inputs).toMatchObject({ base: final });
    expect((await getPipeline(use.db, made.id)).state).toBe('running');
    for (const name of ['assistant', 'score']) await succeed(use.db, (await begun(made, name)).fence);
    expect((await getPipeline(use.db, made.id)).state).toBe('succeeded');
  });

  test('settling again, or many times at once, changes nothing more', async () => {
    const made = await start();
    await trainTokens(made);
    const before = await use.db.client.runEvent.count();
    const settle = () => use.db.transaction((tx) => settlePipeline(tx, { pipelineId: made.id }));
    await Promise.all(Array.from({ length: 6 }, settle));
    expect(await use.db.client.runEvent.count()).toBe(before);
    expect(await states(made.id)).toEqual(['succeeded', 'queued', 'waiting', 'waiting']);
  });

  test('parents that end at the same moment release their child once', async () => {
    const made = await start();
    const tokenizer = await trainTokens(made);
    const { fence } = await begun(made, 'base');
    await publishCheckpoint(use.db, fence, 10, tokenizer, { final: true });
    const settle = () => use.db.transaction((tx) => settlePipeline(tx, { pipelineId: made.id }));
    await Promise.all([succeed(use.db, fence), settle(), settle(), settle()]);
    const { id } = await made.run('assistant');
    const releases = await use.db.client.runEvent.findMany({ where: { runId: id, type: 'state' } });
    expect(releases.map(({ data }) => (data as { event: string }).event)).toEqual(['submit', 'release']);
  });

  test('a stage reads the dataset version that was the latest when the pipeline was accepted', async () => {
    const made = await start();
    const { id } = await use.db.client.dataset.findUniqueOrThrow({ where: { name: 'words' } });
    await use.db.transaction((tx) =>
      addDatasetVersion(tx, id, content('newer words'), { heldOutFraction: 0.1 }),
    );
    await trainTokens(made);
    expect((await made.run('base')).inputs).toMatchObject({ datasets: [{ name: 'words@1' }] });
  });
});

describe('bad ends', () => {
  test('what a failed stage would have fed is cancelled with the reason; a retry revives it', async () => {
    const made = await start();
    const { fence } = await begun(made, 'tokens');
    const error = { code: 'invalid_data', message: 'no words' };
    await end(use.db, fence, { kind: 'failed', error, reason: 'user_error' });
    expect(await states(made.id)).toEqual(['failed', 'cancelled', 'cancelled', 'cancelled']);
    expect(await made.run('base')).toMatchObject({
      termination_reason: 'parent_failed',
      state_reason: 'Stage tokens failed.',
    });
    expect((await made.run('score')).state_reason).toBe('Stage base was cancelled.');
    expect((await getPipeline(use.db, made.id)).state).toBe('failed');

    await use.db.transaction(async (tx) => retryRun(tx, fence.runId));
    expect(await states(made.id)).toEqual(['queued', 'waiting', 'waiting', 'waiting']);
    expect(await made.run('base')).toMatchObject({ termination_reason: null, state_reason: null });
    await trainTokens(made);
    expect(await states(made.id)).toEqual(['succeeded', 'queued', 'waiting', 'waiting']);
  });

  test('a retry does not revive what its user cancelled', async () => {
    const made = await start();
    await use.db.transaction(async (tx) => cancelRun(tx, (await made.run('score')).id));
    for (let i = 0; i < 2; i++) await crash(use.db, (await begun(made, 'tokens')).fence);
    expect(await states(made.id)).toEqual(['failed', 'cancelled', 'cancelled', 'cancelled']);
    await use.db.transaction(async (tx) => retryRun(tx, (await made.run('tokens')).id));
    expect(await states(made.id)).toEqual(['queued', 'waiting', 'waiting', 'cancelled']);
  });

  test('retrying a stage whose parent is dead cancels it again, with the reason', async () => {
    const made = await start();
    await use.db.transaction(async (tx) => cancelRun(tx, (await made.run('tokens')).id));
    await use.db.transaction(async (tx) => retryRun(tx, (await made.run('base')).id));
    expect(await made.run('base')).toMatchObject({
      state: 'cancelled',
      state_reason: 'Stage tokens was cancelled.',
    });
  });

  test('a parent that made nothing takes the stage down as a user error', async () => {
    const made = await start();
    await succeed(use.db, (await begun(made, 'tokens')).fence);
    expect(await made.run('base')).toMatchObject({
      state: 'cancelled',
      termination_reason: 'user_error',
      state_reason: expect.stringContaining('inputs.tokenizer'),
    });
    expect(await states(made.id)).toEqual(['succeeded', 'cancelled', 'cancelled', 'cancelled']);
  });

  test('cancelling a pipeline ends what waits and orders what runs', async () => {
    const made = await start();
    const { fence } = await begun(made, 'tokens');
    await use.db.transaction((tx) => cancelPipeline(tx, made.id, cancelRun));
    expect(await states(made.id)).toEqual(['cancelling', 'cancelled', 'cancelled', 'cancelled']);
    expect((await made.run('score')).termination_reason).toBe('cancelled_by_user');
    await end(use.db, fence, { kind: 'cancelled' });
    expect((await getPipeline(use.db, made.id)).state).toBe('cancelled');
  });

  test('a refused pipeline leaves nothing', async () => {
    await addData(use.db, 'words');
    const [tokens, base] = RECIPE;
    const later = stage('later', 'finetune', { datasets: ['words'], base: { stage: 'base' } });
    await expect(create([tokens!, base!, later])).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'stages[2].inputs.datasets[0]',
    });
    await expect(create([base!, tokens!])).rejects.toMatchObject({ param: 'stages[0].inputs.tokenizer' });
    expect([await use.db.client.pipeline.count(), await use.db.client.run.count()]).toEqual([0, 0]);
  });
});

test('a worker that ends its run and a user who cancels the pipeline at the same time never block each other', async () => {
  await addData(use.db, 'words');
  await addData(use.db, 'chats', 'chat');
  const worker = await addWorker(use.db);
  for (let round = 0; round < 12; round++) {
    const { id, runs } = await create(RECIPE, `round-${round}`);
    const { fence } = await begin(use.db, runs[0]!.id, worker);
    if (round % 3 === 0) await expireLease(use.db, fence.runId);
    // Without the retries of db.transaction, which would hide a deadlock.
    const once = <T>(work: (tx: Tx) => Promise<T>) => use.db.client.$transaction(work);
    const outcome = { kind: round % 3 === 1 ? ('handed_back' as const) : ('cancelled' as const) };
    const [cancelled, ended, settled] = await Promise.allSettled([
      once((tx) => cancelPipeline(tx, id, cancelRun)),
      once<unknown>((tx) =>
        round % 3 === 0 ? recoverExpired(tx, fence.runId) : endAttempt(tx, fence, outcome),
      ),
      once((tx) => settlePipeline(tx, { pipelineId: id })),
      heartbeat(use.db, fence, 60),
    ]);
    expect([cancelled.status, settled.status]).toEqual(['fulfilled', 'fulfilled']);
    // A worker that says "cancelled" before anybody asked for that is refused, but not blocked.
    if (ended.status === 'rejected') expect(ended.reason).toMatchObject({ code: 'invalid_state' });
    expect((await getPipeline(use.db, id)).runs.slice(1).every(({ state }) => state === 'cancelled')).toBe(
      true,
    );
  }
});
