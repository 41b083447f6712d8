import type { Pipeline, Run, Stage } from '@trainyard/contracts';
import { getCheckpoint, getLineage, listAttempts, listMetrics, listWorkers } from '@trainyard/db';
import { decodeSafetensors, readCheckpoint } from '@trainyard/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHATS, PREFERENCES, PROMPTS, TEXT } from './corpus.ts';
import { startStack, type WorkerStack } from './worker-stack.ts';

const MINUTES = 600_000; // ms; sixteen trainer processes on a busy machine
const STEPS = 4;
const optimization = { steps: STEPS, batch_size: 4, warmup_steps: 1 };
const grpo = { prompts_per_step: 2, group_size: 4, max_new_tokens: 4, grader: 'similarity' };
const from = (stage: string) => ({ stage });

const stage = (name: string, kind: Stage, datasets: string[], inputs: object = {}, config: object = {}) => ({
  name,
  stage: kind,
  inputs: { datasets, ...inputs },
  config: kind === 'tokenizer' || kind === 'eval' ? config : { optimization, ...config },
});
const pretrain = (name: string, objective: string) =>
  stage(name, 'pretrain', ['text'], { tokenizer: from('tokens') }, { model: { preset: 'tiny' }, objective });
const finetune = (name: string, base: string, config: object) =>
  stage(name, 'finetune', ['chats'], { base: from(base) }, config);
const score = (name: string, base: string, datasets: string[], config: object) =>
  stage(name, 'eval', datasets, { base: from(base) }, { limit: 8, ...config });

const RECIPE = [
  stage('tokens', 'tokenizer', ['text'], {}, { vocab_size: 300 }),
  pretrain('base', 'next_word'),
  pretrain('masked', 'masked'),
  pretrain('middle', 'fill_in_the_middle'),
  finetune('assistant', 'base', {}),
  finetune('adapted', 'middle', { method: 'lora', lora: { rank: 2 } }),
  finetune('control', 'base', { initial_weights: 'random' }),
  stage('judge', 'reward_model', ['pairs'], { base: from('assistant') }),
  stage('graded', 'rl', ['prompts'], { base: from('assistant') }, { grpo }),
  stage(
    'judged',
    'rl',
    ['prompts'],
    { base: from('assistant'), reward_model: from('judge') },
    { grpo: { ...grpo, judge: 'reward_model' } },
  ),
  stage('preferred', 'rl', ['pairs'], { base: from('assistant') }, { algorithm: 'dpo' }),
  score('bits', 'base', ['text'], {}),
  score('blanks', 'masked', ['text'], { task: 'missing_word' }),
  score('spans', 'middle', ['text'], { task: 'missing_word' }),
  score('answers', 'assistant', ['chats', 'prompts'], { task: 'answers', samples: 2, max_new_tokens: 4 }),
  score('pairs', 'judge', ['pairs'], { task: 'preferences' }),
];

let stack: WorkerStack;
let pipeline: Pipeline;
const run = (name: string): Run => pipeline.runs.find(({ pipeline_stage: own }) => own === name)!;

beforeAll(async () => {
  stack = await startStack();
  await stack.addData('text', 'text', TEXT, '2022-02-22');
  await stack.addData('chats', 'chat', CHATS, '2024-04-24');
  await stack.addData('prompts', 'prompts', PROMPTS);
  await stack.addData('pairs', 'preference', PREFERENCES);
  const id = await stack.submitPipeline(RECIPE);
  await Promise.all([
    stack.startWorker('tokens-only', { WORKER_STAGES: 'tokenizer' }),
    stack.startWorker('the-rest', { WORKER_STAGES: 'pretrain,finetune,reward_model,rl,eval' }),
  ]);
  pipeline = await stack.pipelineFinished(id);
}, MINUTES);
afterAll(() => stack?.stop());

test('the whole recipe succeeds, each stage in one attempt', () => {
  expect(pipeline.state).toBe('succeeded');
  expect(pipeline.runs.map(({ attempts, epoch }) => [attempts, epoch])).toEqual(RECIPE.map(() => [1, 1]));
});

test('a worker takes only the stages that it is told to take', async () => {
  const workers = (await listWorkers(stack.db, {}, 60)).data;
  const named = new Map(workers.map(({ id, name }) => [id, name]));
  expect(workers.every(({ backend, state }) => backend !== '' && state === 'idle')).toBe(true);
  for (const { id, stage: kind } of pipeline.runs) {
    const takers = (await listAttempts(stack.db, id)).map(({ worker_id }) => named.get(worker_id!));
    expect(takers, kind).toEqual([kind === 'tokenizer' ? 'tokens-only' : 'the-rest']);
  }
});

describe('what the stages made', () => {
  const KINDS = {
    base: 'base',
    masked: 'masked',
    middle: 'base',
    assistant: 'assistant',
    adapted: 'assistant',
    control: 'assistant',
    judge: 'reward',
    graded: 'assistant',
    judged: 'assistant',
    preferred: 'assistant',
  };
  test.each(Object.entries(KINDS))('%s is a whole, verified checkpoint of kind %s', async (name, kind) => {
    const checkpoint = await getCheckpoint(stack.db, run(name).checkpoint_id!);
    expect(checkpoint).toMatchObject({
      kind,
      step: STEPS,
      final: true,
      tokenizer_id: run('tokens').tokenizer_id,
    });
    expect(checkpoint.knowledge_cutoff).toBe('2022-02-22');
    const { manifest, file } = await readCheckpoint(stack.blobs, checkpoint.manifest_sha256);
    expect(manifest).toMatchObject({ runId: run(name).id, step: STEPS, epoch: 1, cursor: { step: STEPS } });
    const { tensors } = decodeSafetensors(await file('model.safetensors'));
    const sizes = Object.values(tensors).map(({ data }) => data.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(checkpoint.parameters);
    expect(Object.keys(decodeSafetensors(await file('optimizer.safetensors')).tensors)).not.toEqual([]);
    const { data } = await listMetrics(stack.db, run(name).id, {});
    expect(data.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(data.every(({ values }) => Number.isFinite(values.loss))).toBe(true);
    expect(run(name).progress).toMatchObject({ step: STEPS, total_steps: STEPS });
  });

  test('a control with random weights starts apart from the base; adapters change only their targets', async () => {
    const weights = async (name: string) => {
      const { manifest_sha256 } = await getCheckpoint(stack.db, run(name).checkpoint_id!);
      const { file } = await readCheckpoint(stack.blobs, manifest_sha256);
      return decodeSafetensors(await file('model.safetensors')).tensors;
    };
    const [middle, adapted] = [await weights('middle'), await weights('adapted')];
    const bytes = (weights: typeof middle, name: string) => {
      const { data } = weights[name]!;
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    };
    const moved = Object.keys(middle).filter((name) => !bytes(middle, name).equals(bytes(adapted, name)));
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.every((name) => /(q|v)_proj/.test(name))).toBe(true);
    const [base, assistant, control] = [
      await weights('base'),
      await weights('assistant'),
      await weights('control'),
    ];
    const distance = (a: typeof base) => {
      const name = 'model.layers.0.self_attn.q_proj.weight';
      const other = base[name]!.data as Float32Array;
      return Math.hypot(...Array.from(a[name]!.data as Float32Array, (value, i) => value - other[i]!));
    };
    expect(distance(control)).toBeGreaterThan(2 * distance(assistant));
  });

  test('the evaluations measured what they were asked for, on the held-out split', () => {
    const result = (name: string) => run(name).result as Record<string, number>;
    expect(result('bits')).toMatchObject({ task: 'bits_per_byte', split: 'held_out' });
    for (const name of ['bits_per_byte', 'bigram_bits_per_byte', 'gzip_bits_per_byte']) {
      expect(result('bits')[name], name).toBeGreaterThan(0.5);
      expect(result('bits')[name], name).toBeLessThan(12);
    }
    for (const name of ['blanks', 'spans']) {
      expect(result(name).words, name).toBeGreaterThan(0);
      expect(result(name).accuracy, name).toBeLessThanOrEqual(1);
    }
    expect(result('answers')).toMatchObject({
      questions: 8,
      accuracy: expect.any(Number),
      stop_rate: expect.any(Number),
      pass_at_1: expect.any(Number),
    });
    expect((run('answers').result as { answers: object[] }).answers).toHaveLength(8);
    expect(result('pairs').pairs).toBeGreaterThan(0);
    expect(result('pairs').accuracy).toBeLessThanOrEqual(1);
    expect(result('tokens')).toMatchObject({ vocab_size: 300 });
  });
});

test('lineage leads from the judged assistant back to every dataset version', async () => {
  const { nodes, knowledge_cutoff } = await getLineage(
    stack.db,
    'checkpoint',
    run('judged').checkpoint_id!,
    'up',
  );
  const labels = nodes.filter(({ type }) => type === 'dataset_version').map(({ label }) => label);
  expect(labels.sort()).toEqual(['chats@1', 'pairs@1', 'prompts@1', 'text@1']);
  const runs = nodes.filter(({ type }) => type === 'run').map(({ id }) => id);
  expect(runs.sort()).toEqual(
    ['tokens', 'base', 'assistant', 'judge', 'judged'].map((name) => run(name).id).sort(),
  );
  expect(knowledge_cutoff).toBe('2022-02-22');
});
