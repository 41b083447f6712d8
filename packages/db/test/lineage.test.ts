import type { CheckpointKind, CreateRun, Lineage, LineageType } from '@trainyard/contracts';
import { beforeEach, expect, test } from 'vitest';
import { getCheckpoint } from '../src/checkpoints.ts';
import { createComparison, linkFeedback } from '../src/comparisons.ts';
import { getLineage } from '../src/lineage.ts';
import { addData, addWorker, begin, publishCheckpoint, publishTokenizer, submit, succeed } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const ids: Record<string, string> = {};
let worker: string;

/** Runs a stage to its end; its one product is a checkpoint. */
async function make(
  name: string,
  stage: CreateRun['stage'],
  inputs: object,
  kind: CheckpointKind,
  config = {},
) {
  const run = await submit(use.db, { stage, inputs, config });
  const { fence } = await begin(use.db, run.id, worker);
  ids[`${name} run`] = run.id;
  ids[name] = await publishCheckpoint(use.db, fence, 10, ids.tokenizer!, { kind, final: true });
  await succeed(use.db, fence);
}

/** The whole recipe: text -> tokenizer -> base -> assistant -> feedback -> judge -> assistant from feedback. */
beforeEach(async () => {
  worker = await addWorker(use.db);
  ids.old = await addData(use.db, 'old-text', 'text', '2019-12-31');
  ids.text = await addData(use.db, 'text', 'text', '2021-05-06');
  ids.undated = await addData(use.db, 'undated', 'text');
  ids.vocabulary = await addData(use.db, 'vocabulary', 'text', '2024-01-01');
  ids.chats = await addData(use.db, 'chats', 'chat', '2025-03-03');
  ids.prompts = await addData(use.db, 'prompts', 'prompts');
  const tokens = await begin(
    use.db,
    (await submit(use.db, { stage: 'tokenizer', inputs: { datasets: ['vocabulary'] } })).id,
    worker,
  );
  ids.tokenizer = await publishTokenizer(use.db, tokens.fence);
  await succeed(use.db, tokens.fence);
  const datasets = ['old-text', 'text', 'undated'];
  await make('base', 'pretrain', { datasets, tokenizer: ids.tokenizer }, 'base');
  await make('assistant', 'finetune', { datasets: ['chats'], base: ids.base }, 'assistant');
  ids.comparison = (
    await use.db.transaction((tx) =>
      createComparison(tx, {
        checkpointId: ids.assistant!,
        messages: [{ role: 'user', content: 'Who?' }],
        answerA: 'I',
        answerB: 'you',
      }),
    )
  ).id;
  ids.pairs = await addData(use.db, 'pairs', 'preference');
  await use.db.transaction((tx) => linkFeedback(tx, ids.pairs!, [ids.comparison!]));
  await make('judge', 'reward_model', { datasets: ['pairs'], base: ids.assistant }, 'reward');
  const config = { grpo: { judge: 'reward_model' } };
  const inputs = { datasets: ['prompts'], base: ids.assistant, reward_model: ids.judge };
  await make('better', 'rl', inputs, 'assistant', config);
});

const names = ({ nodes }: Lineage) => {
  const known = new Map(Object.entries(ids).map(([name, id]) => [id, name]));
  return nodes.map(({ id, label }) => known.get(id) ?? label.split(' ')[0]!).sort();
};
const around = (type: LineageType, name: string, direction: 'up' | 'down' | 'both') =>
  getLineage(use.db, type, ids[name]!, direction);

const ROOTS = ['old', 'text', 'undated', 'vocabulary', 'tokenizer', 'tokenizer']; // the second is its run
const ABOVE_ASSISTANT = [...ROOTS, 'base', 'base run', 'chats', 'assistant run', 'assistant'];

test('upwards from the last checkpoint lies everything, to every dataset version', async () => {
  const lineage = await around('checkpoint', 'better', 'up');
  expect(names(lineage)).toEqual(
    [
      ...ABOVE_ASSISTANT,
      'comparison',
      'pairs',
      'judge run',
      'judge',
      'prompts',
      'better run',
      'better',
    ].sort(),
  );
  expect(lineage.root).toBe(`checkpoint:${ids.better}`);
  const edge = (from: string, to: string, role: string) => ({ from, to, role });
  expect(lineage.edges).toEqual(
    expect.arrayContaining([
      edge(`run:${ids['better run']}`, `checkpoint:${ids.better}`, 'produced'),
      edge(`checkpoint:${ids.assistant}`, `checkpoint:${ids.better}`, 'base'),
      edge(`checkpoint:${ids.judge}`, `run:${ids['better run']}`, 'judge'),
      edge(`dataset_version:${ids.text}`, `run:${ids['base run']}`, 'data'),
      edge(`comparison:${ids.comparison}`, `dataset_version:${ids.pairs}`, 'feedback'),
    ]),
  );
  const keys = new Set(lineage.nodes.map(({ type, id }) => `${type}:${id}`));
  for (const { from, to } of lineage.edges) expect([keys.has(from), keys.has(to)]).toEqual([true, true]);
  expect(new Set(lineage.edges.map((each) => JSON.stringify(each))).size).toBe(lineage.edges.length);
});

test('downwards from a dataset version lies everything that was made with it', async () => {
  expect(names(await around('dataset_version', 'chats', 'down'))).toEqual(
    [
      'chats',
      'assistant run',
      'assistant',
      'comparison',
      'pairs',
      'judge run',
      'judge',
      'better run',
      'better',
    ].sort(),
  );
  expect(names(await around('checkpoint', 'better', 'down'))).toEqual(['better']);
  const both = await around('checkpoint', 'assistant', 'both');
  expect(names(both)).toEqual(
    [...ABOVE_ASSISTANT, 'comparison', 'pairs', 'judge run', 'judge', 'better run', 'better'].sort(),
  );
});

test('knowledge ends with the latest pre-training text, not with the tokenizer, questions or feedback', async () => {
  for (const name of ['base', 'assistant', 'judge', 'better']) {
    expect((await getCheckpoint(use.db, ids[name]!)).knowledge_cutoff, name).toBe('2021-05-06');
    expect((await around('checkpoint', name, 'up')).knowledge_cutoff, name).toBe('2021-05-06');
  }
  expect((await around('tokenizer', 'tokenizer', 'up')).knowledge_cutoff).toBeNull();
  expect((await around('dataset_version', 'pairs', 'up')).knowledge_cutoff).toBe('2021-05-06');
});

test('an object that is not there has no lineage', async () => {
  await expect(getLineage(use.db, 'checkpoint', ids.text!, 'both')).rejects.toMatchObject({
    code: 'not_found',
  });
});
