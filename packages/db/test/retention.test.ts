import type { CheckpointKind, Retention } from '@trainyard/contracts';
import { describe, expect, test } from 'vitest';
import { getCheckpoint, setAlias, setTags } from '../src/checkpoints.ts';
import { beginChore } from '../src/chores.ts';
import { createComparison } from '../src/comparisons.ts';
import { createPipeline } from '../src/pipelines.ts';
import { resolveStoredCheckpoint } from '../src/resolve-inputs.ts';
import { deleteRetired, notKept } from '../src/retention.ts';
import { addData, begin, pretraining, publishCheckpoint, submit } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const sha = (digit: string) => digit.repeat(64);

/** A run in training whose policy is `keep`. */
async function training(keep: object = { last: 1 }) {
  const made = await pretraining(use.db, { config: { checkpointing: { keep } } });
  const { fence } = await begin(use.db, made.run.id, made.worker);
  const publish = (step: number, blobs: string[] = [], kind: CheckpointKind = 'base') =>
    publishCheckpoint(use.db, fence, step, made.tokenizer, { blobs, kind });
  return { ...made, fence, publish };
}
const isRetired = async (id: string) => (await getCheckpoint(use.db, id)).retired_at !== null;

describe('a policy', () => {
  const checkpoint = (step: number, loss: number, change: object = {}) => ({
    id: String(step),
    step,
    final: false,
    damagedAt: null,
    metrics: { loss },
    ...change,
  });
  const all = [
    checkpoint(10, 5),
    checkpoint(20, 1),
    checkpoint(30, 4),
    checkpoint(40, 2),
    checkpoint(50, 3),
    checkpoint(60, 9, { damagedAt: new Date() }),
  ];
  const kept = (policy: Retention) => {
    const gone = notKept(all, policy);
    return all.map(({ id }) => id).filter((id) => !gone.includes(id));
  };

  test.each([
    [{ last: 2 }, ['40', '50']],
    [{ last: 1, every_steps: 20 }, ['20', '40', '50']],
    [{ last: 1, best: { metric: 'loss', goal: 'lowest', count: 2 } }, ['20', '40', '50']],
    [{ last: 1, best: { metric: 'loss', goal: 'highest', count: 1 } }, ['10', '50']],
    [{ last: 1, best: { metric: 'accuracy', goal: 'highest', count: 3 } }, ['50']],
    [{ last: 9 }, ['10', '20', '30', '40', '50']],
  ] as [Retention, string[]][])('%j keeps the sound ones %j', (policy, expected) => {
    expect(kept(policy)).toEqual(expected);
  });

  test('keeps the final one always', () => {
    expect(notKept([checkpoint(10, 1, { final: true }), checkpoint(20, 1)], { last: 1 })).toEqual([]);
  });
});

test('publishing gives up what is not kept; what is tagged, aliased or referred to stays', async () => {
  const { publish } = await training();
  let step = 0;
  const next = (kind?: CheckpointKind) => {
    step += 10;
    return publish(step, [], kind);
  };
  const tagged = await next();
  await use.db.transaction((tx) => setTags(tx, tagged, ['keep']));
  const second = await next();
  await use.db.transaction((tx) => setAlias(tx, 'words@best', second));
  const third = await next();
  await addData(use.db, 'questions', 'chat');
  await submit(use.db, { stage: 'finetune', inputs: { datasets: ['questions'], base: third } });
  const fourth = await next();
  await use.db.transaction((tx) =>
    createComparison(tx, { checkpointId: fourth, messages: [], answerA: 'a', answerB: 'b' }),
  );
  const fifth = await next('reward');
  await addData(use.db, 'prompts', 'prompts');
  const once = { seed: 1, max_attempts: 1 };
  await use.db.transaction((tx) =>
    createPipeline(tx, {
      name: 'later',
      stages: [
        { ...once, name: 'first', stage: 'finetune', inputs: { datasets: ['questions'], base: third } },
        {
          ...once,
          name: 'second',
          stage: 'rl',
          inputs: { datasets: ['prompts'], base: { stage: 'first' }, reward_model: fifth },
          config: { grpo: { judge: 'reward_model' } },
        },
      ],
    }),
  );
  const sixth = await next();
  const last = await next();
  for (const id of [tagged, second, third, fourth, fifth, last]) expect(await isRetired(id), id).toBe(false);
  expect(await isRetired(sixth)).toBe(true);
});

test('nothing may come to refer to what was given up', async () => {
  const { publish } = await training();
  const old = await publish(10);
  await publish(20);
  expect(await isRetired(old)).toBe(true);
  const refused = { code: 'invalid_state', message: expect.stringContaining('given up') };
  await addData(use.db, 'questions', 'chat');
  const attempts = [
    () => use.db.transaction((tx) => setTags(tx, old, ['late'])),
    () => use.db.transaction((tx) => setAlias(tx, 'words@late', old)),
    () => submit(use.db, { stage: 'finetune', inputs: { datasets: ['questions'], base: old } }),
    () =>
      use.db.transaction((tx) =>
        createComparison(tx, { checkpointId: old, messages: [], answerA: 'a', answerB: 'b' }),
      ),
  ];
  for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject(refused);
});

test('whoever refers to a checkpoint while it is being given up wins, or is refused', async () => {
  const { publish } = await training();
  await addData(use.db, 'questions', 'chat');
  for (let round = 1; round <= 5; round++) {
    const old = await publish(round * 20);
    const [submitted] = await Promise.allSettled([
      submit(use.db, { stage: 'finetune', inputs: { datasets: ['questions'], base: old } }),
      publish(round * 20 + 10),
    ]);
    expect(await isRetired(old)).toBe(submitted.status === 'rejected');
  }
});

test('files of what was given up are deleted once, but for those that something else needs, and that is confirmed', async () => {
  const { publish } = await training();
  const old = await publish(10, [sha('a'), sha('b')]);
  const kept = await publish(20, [sha('b'), sha('c')]);
  const deleted: string[] = [];
  const deleteBlob = async (sha256: string) => deleted.push(sha256) > 0;
  expect(await deleteRetired(use.db, deleteBlob, 60)).toBe(0);
  expect(await deleteRetired(use.db, deleteBlob, -1)).toBe(1);
  expect(deleted).toEqual([sha('a')]);
  expect(await deleteRetired(use.db, deleteBlob, -1)).toBe(0);
  expect((await getCheckpoint(use.db, old)).deleted_at).not.toBeNull();
  expect((await getCheckpoint(use.db, kept)).deleted_at).toBeNull();
  await expect(resolveStoredCheckpoint(use.db.client, old, 'id')).rejects.toMatchObject({
    code: 'invalid_state',
    message: expect.stringContaining('were deleted'),
  });
});

test('a deletion that fails is tried again', async () => {
  const { publish } = await training();
  const old = await publish(10, [sha('a')]);
  await publish(20);
  const failing = async () => {
    throw new Error('the store is away');
  };
  await expect(deleteRetired(use.db, failing, -1)).rejects.toThrow('away');
  expect((await getCheckpoint(use.db, old)).deleted_at).toBeNull();
  expect(await deleteRetired(use.db, async () => true, -1)).toBe(1);
});

test('a chore is begun by one of many, and again after its interval', async () => {
  const begin = (seconds: number) =>
    Promise.all(Array.from({ length: 8 }, () => beginChore(use.db, 'sweep', seconds)));
  expect((await begin(60)).filter(Boolean)).toHaveLength(1);
  expect((await begin(60)).filter(Boolean)).toHaveLength(0);
  expect(await beginChore(use.db, 'other', 60)).toBe(true);
  await use.db.client.$executeRaw`UPDATE chores SET begun_at = now() - interval '61 seconds'`;
  expect((await begin(60)).filter(Boolean)).toHaveLength(1);
});
