import { describe, expect, test } from 'vitest';
import { authenticate, createApiKey, ensureAdminKey, revokeApiKey } from '../src/api-keys.ts';
import {
  deleteAlias,
  getCheckpoint,
  listAliases,
  listCheckpoints,
  setAlias,
  setTags,
} from '../src/checkpoints.ts';
import { createComparison, judgeComparison, listComparisons, preferences } from '../src/comparisons.ts';
import { addDatasetVersion, createDataset, listDatasets, listDatasetVersions } from '../src/datasets.ts';
import { resolveCheckpoint, resolveDatasetVersion } from '../src/resolve-inputs.ts';
import { listWorkers, retireWorker, workerHeartbeat } from '../src/workers.ts';
import { addWorker, begin, content, pretraining, publishCheckpoint } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();

describe('datasets', () => {
  const create = () => use.db.transaction((tx) => createDataset(tx, { name: 'words', kind: 'text' }));
  const add = (id: string, text: string, about: object = {}) =>
    use.db.transaction((tx) => addDatasetVersion(tx, id, content(text), { heldOutFraction: 0.1, ...about }));

  test('versions count up; the same content is the same version, unless what is said of it differs', async () => {
    const { id } = await create();
    const first = await add(id, 'one', { collectedUntil: '2020-02-29' });
    expect(first).toMatchObject({
      version: 1,
      collected_until: '2020-02-29',
      train: { records: 9, bytes: 900 },
      held_out: { records: 1, bytes: 100 },
    });
    expect(await add(id, 'one', { collectedUntil: '2020-02-29' })).toEqual(first);
    expect((await add(id, 'one', { collectedUntil: '2020-03-01' })).version).toBe(2);
    expect((await add(id, 'one', { heldOutFraction: 0.2 })).version).toBe(3);
    expect((await add(id, 'two')).version).toBe(4);
    const { data } = await listDatasetVersions(use.db, id, {});
    expect(data.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4]);
    expect((await listDatasets(use.db, { name: 'words' })).data).toMatchObject([{ latest_version: 4 }]);
  });

  test('uploads at the same time get numbers of their own, equal ones the same', async () => {
    const { id } = await create();
    const versions = await Promise.all([...'abcd'].map((text) => add(id, text)));
    expect(versions.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4]);
    const equal = await Promise.all([...'eeee'].map((text) => add(id, text)));
    expect(new Set(equal.map(({ version }) => version))).toEqual(new Set([5]));
  });

  test('a name is taken once, and names and numbers find versions', async () => {
    const { id } = await create();
    await expect(create()).rejects.toMatchObject({ code: 'conflict', param: 'name' });
    await add(id, 'one');
    const second = await add(id, 'two');
    const find = (reference: string) =>
      use.db.transaction((tx) => resolveDatasetVersion(tx, reference, 'inputs.datasets[0]'));
    for (const reference of ['words', 'words@2', second.id]) expect(await find(reference)).toEqual(second);
    expect((await find('words@1')).version).toBe(1);
    for (const reference of ['words@3', 'word', crypto.randomUUID()])
      await expect(find(reference)).rejects.toMatchObject({ code: 'not_found', param: 'inputs.datasets[0]' });
    for (const reference of ['words@latest', 'words@', 'words@1@2'])
      await expect(find(reference)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('checkpoints', () => {
  test('aliases point, move and go; tags filter', async () => {
    const { run, worker, tokenizer } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    const [one, two] = [
      await publishCheckpoint(use.db, fence, 1, tokenizer),
      await publishCheckpoint(use.db, fence, 2, tokenizer),
    ];
    const set = (name: string, id: string) => use.db.transaction((tx) => setAlias(tx, name, id));
    await set('world@production', one);
    await set('world@canary', one);
    await set('world@production', two);
    const found = await use.db.transaction((tx) => resolveCheckpoint(tx, 'world@production', 'inputs.base'));
    expect(found.id).toBe(two);
    expect((await getCheckpoint(use.db, one)).aliases).toEqual(['world@canary']);
    const first = await listAliases(use.db, { limit: 1 });
    expect([first.data.map(({ name }) => name), first.has_more]).toEqual([['world@canary'], true]);
    const next = await listAliases(use.db, { limit: 1, after: 'world@canary' });
    expect([next.data.map(({ name }) => name), next.has_more]).toEqual([['world@production'], false]);
    await use.db.transaction((tx) => deleteAlias(tx, 'world@canary'));
    await expect(use.db.transaction((tx) => deleteAlias(tx, 'world@canary'))).rejects.toMatchObject({
      code: 'not_found',
    });
    for (const name of ['production', 'a@1', '@x', 'a b@c'])
      await expect(set(name, one)).rejects.toMatchObject({ code: 'invalid_request', param: 'name' });
    await expect(set('a@b', crypto.randomUUID())).rejects.toMatchObject({ param: 'checkpoint_id' });
    await use.db.transaction((tx) => setTags(tx, one, ['good', 'old']));
    expect((await listCheckpoints(use.db, { tag: 'good' })).data.map(({ id }) => id)).toEqual([one]);
    expect((await listCheckpoints(use.db, { run: run.id, kind: 'base' })).data).toHaveLength(2);
    expect((await listCheckpoints(use.db, { kind: 'reward' })).data).toEqual([]);
  });
});

describe('comparisons', () => {
  test('are judged once, whoever asks at the same time', async () => {
    const { run, worker, tokenizer } = await pretraining(use.db);
    const { fence } = await begin(use.db, run.id, worker);
    const checkpointId = await publishCheckpoint(use.db, fence, 1, tokenizer);
    const ask = () =>
      use.db.transaction((tx) =>
        createComparison(tx, {
          checkpointId,
          messages: [{ role: 'user', content: 'Who?' }],
          answerA: 'I',
          answerB: 'you',
        }),
      );
    const judge = (id: string, verdict: 'a' | 'b' | 'tie', who: string) =>
      use.db.transaction((tx) => judgeComparison(tx, id, { verdict }, who));
    const [first, second, third] = [await ask(), await ask(), await ask()];
    expect(first).toMatchObject({ state: 'waiting', verdict: null });
    const verdicts = await Promise.allSettled([
      judge(first.id, 'a', 'ann'),
      judge(first.id, 'b', 'bob'),
      judge(first.id, 'b', 'cy'),
    ]);
    const accepted = verdicts.filter((verdict) => verdict.status === 'fulfilled');
    expect(accepted).toHaveLength(1);
    await expect(judge(first.id, 'b', 'bob')).rejects.toMatchObject({ code: 'invalid_state' });
    await judge(second.id, 'tie', 'ann');
    expect((await preferences(use.db)).map(({ id, judge: by }) => [id, by])).toEqual([
      [first.id, accepted[0]!.value.judge],
    ]);
    const waiting = await listComparisons(use.db, { state: 'waiting', checkpoint: checkpointId });
    expect(waiting.data.map(({ id }) => id)).toEqual([third.id]);
    expect((await listComparisons(use.db, { state: 'judged' })).data).toHaveLength(2);
  });
});

describe('API keys', () => {
  test('are kept only as hashes, known until revoked', async () => {
    const made = await use.db.transaction((tx) => createApiKey(tx, { name: 'ci', scopes: ['read'] }));
    const row = await use.db.client.apiKey.findUniqueOrThrow({ where: { id: made.id } });
    expect(JSON.stringify(row)).not.toContain(made.key);
    expect(await authenticate(use.db, made.key)).toMatchObject({ id: made.id, scopes: ['read'] });
    expect(await authenticate(use.db, `${made.key}x`)).toBeUndefined();
    await use.db.transaction((tx) => revokeApiKey(tx, made.id));
    expect(await authenticate(use.db, made.key)).toBeUndefined();
  });

  test('of starters at the same time one makes the first admin key; the last one stays', async () => {
    const starts = await Promise.all(
      Array.from({ length: 4 }, () => use.db.transaction((tx) => ensureAdminKey(tx))),
    );
    const [key, ...more] = starts.filter((made) => made !== undefined);
    expect(more).toEqual([]);
    const admin = (await authenticate(use.db, key!))!;
    expect(admin.scopes).toEqual(['admin']);
    const revoke = (id: string) => use.db.transaction((tx) => revokeApiKey(tx, id));
    await expect(revoke(admin.id)).rejects.toMatchObject({ code: 'conflict' });
    const other = await use.db.transaction((tx) => createApiKey(tx, { name: 'b', scopes: ['admin'] }));
    const both = await Promise.allSettled([revoke(admin.id), revoke(other.id)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('one from the environment is stored once and told to nobody', async () => {
    for (let i = 0; i < 2; i++)
      expect(await use.db.transaction((tx) => ensureAdminKey(tx, 'ty_from_outside'))).toBeUndefined();
    expect(await use.db.client.apiKey.count()).toBe(1);
    expect(await authenticate(use.db, 'ty_from_outside')).toMatchObject({ scopes: ['admin'] });
  });
});

test('workers are idle, busy, draining, stopped or lost', async () => {
  const { run, worker } = await pretraining(use.db);
  const state = async () => (await listWorkers(use.db, {}, 10)).data.map((row) => row.state);
  expect(await state()).toEqual(['idle']);
  await begin(use.db, run.id, worker);
  expect(await state()).toEqual(['busy']);
  await workerHeartbeat(use.db, worker, true);
  expect(await state()).toEqual(['draining']);
  await use.db.client.$executeRaw`UPDATE workers SET heartbeat_at = now() - interval '11 seconds'`;
  expect(await state()).toEqual(['lost']);
  expect((await listWorkers(use.db, { live: true }, 10)).data).toEqual([]);
  await workerHeartbeat(use.db, worker, false);
  await addWorker(use.db);
  await retireWorker(use.db, worker);
  expect((await state()).sort()).toEqual(['idle', 'stopped']);
  expect((await listWorkers(use.db, { live: true }, 10)).data).toHaveLength(1);
});
