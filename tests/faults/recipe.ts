import type { Stage } from '@trainyard/contracts';
import { CHATS, PREFERENCES, PROMPTS, TEXT } from '../worker/corpus.ts';
import type { Cluster, RunRequest } from './cluster.ts';

/** Building a layer's graph costs more time here than all its steps. */
const MODEL = { preset: 'tiny', layers: 1 };

/** What the other stages start from. */
export interface Materials {
  tokenizer: string;
  base: string;
  assistant: string;
}

export const KINDS = [
  'tokenizer',
  'pretrain',
  'finetune',
  'lora',
  'reward_model',
  'grpo',
  'dpo',
  'eval',
] as const;
export type Kind = (typeof KINDS)[number];

/** Text for stages that have no steps to be interrupted between: enough of it to take a second on a fast machine. */
const LONG_TEXT = Array.from({ length: 100_000 }, (_, i) => ({
  text: `${TEXT[i % TEXT.length]!.text} It is number ${(i * 7919) % 100_003}, and ${(i * 104_729) % 99_991} comes next.`,
}));

/** Text, and a tokenizer of it; a worker must be there. */
export async function prepareTokenizer(cluster: Cluster): Promise<string> {
  await cluster.addData('text', 'text', TEXT);
  const request: RunRequest = {
    stage: 'tokenizer',
    inputs: { datasets: ['text'] },
    config: { vocab_size: 300 },
  };
  return (await cluster.finished(await cluster.submit(request))).tokenizer_id!;
}

/** Datasets, a tokenizer, a base model and an assistant; a worker must be there. */
export async function prepareMaterials(cluster: Cluster): Promise<Materials> {
  const tokenizer = await prepareTokenizer(cluster);
  await cluster.addData('long', 'text', LONG_TEXT);
  await cluster.addData('chats', 'chat', CHATS);
  await cluster.addData('prompts', 'prompts', PROMPTS);
  await cluster.addData('pairs', 'preference', PREFERENCES);
  const make = async (stage: Stage, inputs: RunRequest['inputs'], config: Record<string, unknown>) =>
    cluster.finished(await cluster.submit({ stage, inputs, config }));
  const optimization = { steps: 20, batch_size: 2 };
  const { checkpoint_id: base } = await make(
    'pretrain',
    { datasets: ['text'], tokenizer },
    { model: MODEL, optimization },
  );
  const { checkpoint_id: assistant } = await make(
    'finetune',
    { datasets: ['chats'], base: base! },
    { optimization },
  );
  return { tokenizer, base: base!, assistant: assistant! };
}

/** One run of each kind; `steps` optimizer steps of everything, dropout and accumulation wherever there is such a thing. */
export function requestsOf(materials: Materials, steps: number): Record<Kind, RunRequest> {
  const { tokenizer, base, assistant } = materials;
  const exact = { steps, batch_size: 2, accumulation: 2, warmup_steps: 5 };
  const optimization = { ...exact, dropout: 0.1 };
  const checkpointing = { every_steps: Math.max(10, Math.round(steps / 40)) };
  const seed = 7;
  const max_attempts = 1000;
  const of = (stage: Stage, inputs: RunRequest['inputs'], config: Record<string, unknown>): RunRequest => ({
    stage,
    inputs,
    config,
    seed,
    max_attempts,
  });
  return {
    tokenizer: of('tokenizer', { datasets: ['long'] }, { vocab_size: 3000 }),
    pretrain: of(
      'pretrain',
      { datasets: ['text'], tokenizer },
      { model: MODEL, optimization, checkpointing },
    ),
    finetune: of('finetune', { datasets: ['chats'], base }, { optimization, checkpointing }),
    lora: of(
      'finetune',
      { datasets: ['chats'], base },
      { method: 'lora', lora: { rank: 2 }, optimization, checkpointing },
    ),
    reward_model: of(
      'reward_model',
      { datasets: ['pairs'], base: assistant },
      { optimization, checkpointing },
    ),
    grpo: of(
      'rl',
      { datasets: ['prompts'], base: assistant },
      {
        grpo: { prompts_per_step: 2, group_size: 4, max_new_tokens: 4, grader: 'similarity' },
        optimization: exact,
        checkpointing,
      },
    ),
    dpo: of(
      'rl',
      { datasets: ['pairs'], base: assistant },
      { algorithm: 'dpo', optimization: exact, checkpointing },
    ),
    eval: of('eval', { datasets: ['long'], base }, { limit: 800, split: 'held_out' }),
  };
}
