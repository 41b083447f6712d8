import { describe, expect, it } from 'vitest';
import { parseStageConfig } from '../src/parse-config.ts';
import { STAGES, type Stage } from '../src/stage-config.ts';
import {
  type CheckpointInput,
  checkStageInputs,
  type DatasetInput,
  type StageInputs,
  stageOutput,
} from '../src/stage-inputs.ts';

const data = (kind: DatasetInput['kind'], counts: Partial<DatasetInput> = {}): DatasetInput => ({
  name: `${kind}s@1`,
  kind,
  train: 9,
  held_out: 1,
  ...counts,
});
const checkpoint = (kind: CheckpointInput['kind'], context = 64): CheckpointInput => ({
  kind,
  tokenizer_id: 'T',
  model: { context_length: context },
});
const check = (stage: Stage, config: object, inputs: Partial<StageInputs>) => () =>
  checkStageInputs(stage, parseStageConfig(stage, config), { datasets: [], ...inputs });

const text = { datasets: [data('text')] };
const chat = { datasets: [data('chat')] };
const pairs = { datasets: [data('preference')] };
const prompts = { datasets: [data('prompts')] };
const base = checkpoint('base');
const assistant = checkpoint('assistant');
const judge = checkpoint('reward');
const judged = { grpo: { judge: 'reward_model' } };

const TAKEN: [Stage, object, Partial<StageInputs>][] = [
  ['tokenizer', {}, { datasets: [data('text'), data('text')] }],
  ['tokenizer', {}, { datasets: [data('text', { held_out: 0 })] }],
  ['pretrain', {}, { ...text, tokenizer: 'T' }],
  ['finetune', {}, { ...chat, base }],
  ['finetune', {}, { datasets: [data('chat'), data('instruction')], base: assistant, tokenizer: 'T' }],
  ['reward_model', {}, { ...pairs, base: assistant }],
  ['rl', {}, { ...prompts, base: assistant }],
  ['rl', judged, { ...prompts, base: assistant, reward_model: judge }],
  ['rl', judged, { ...prompts, base: { kind: 'assistant' }, reward_model: { kind: 'reward' } }],
  ['rl', { algorithm: 'dpo' }, { ...pairs, base: assistant }],
  ['rl', { algorithm: 'dpo' }, { ...pairs, base: checkpoint('assistant', 16) }],
  ['eval', {}, { ...text, base }],
  ['eval', { task: 'missing_word' }, { ...text, base: checkpoint('masked') }],
  ['eval', { task: 'answers', split: 'train' }, { datasets: [data('prompts', { held_out: 0 })], base }],
  ['eval', { task: 'preferences' }, { ...pairs, base: judge }],
];

type Refusal = [string, Stage, object, Partial<StageInputs>, string, string];
const REFUSED: Refusal[] = [
  ['no data', 'tokenizer', {}, {}, 'invalid_request', 'inputs.datasets'],
  ['data of another kind', 'tokenizer', {}, chat, 'invalid_request', 'inputs.datasets[0]'],
  [
    'one of several of another kind',
    'finetune',
    {},
    { datasets: [data('chat'), data('text')], base },
    'invalid_request',
    'inputs.datasets[1]',
  ],
  [
    'an empty split to train on',
    'tokenizer',
    {},
    { datasets: [data('text', { train: 0 })] },
    'invalid_request',
    'inputs.datasets[0]',
  ],
  [
    'an empty split to evaluate',
    'eval',
    {},
    { datasets: [data('text', { held_out: 0 })], base },
    'invalid_request',
    'inputs.datasets[0]',
  ],
  [
    'a tokenizer to make a tokenizer from',
    'tokenizer',
    {},
    { ...text, tokenizer: 'T' },
    'invalid_request',
    'inputs.tokenizer',
  ],
  ['no tokenizer', 'pretrain', {}, text, 'invalid_request', 'inputs.tokenizer'],
  [
    'a base to pre-train',
    'pretrain',
    {},
    { ...text, tokenizer: 'T', base },
    'invalid_request',
    'inputs.base',
  ],
  ['no base', 'finetune', {}, chat, 'invalid_request', 'inputs.base'],
  [
    'a masked base',
    'finetune',
    {},
    { ...chat, base: checkpoint('masked') },
    'incompatible_checkpoint',
    'inputs.base',
  ],
  ['a base that is no assistant', 'rl', {}, { ...prompts, base }, 'incompatible_checkpoint', 'inputs.base'],
  [
    'another tokenizer than the base has',
    'finetune',
    {},
    { ...chat, base, tokenizer: 'U' },
    'incompatible_checkpoint',
    'inputs.tokenizer',
  ],
  ['no judge', 'rl', judged, { ...prompts, base: assistant }, 'invalid_request', 'inputs.reward_model'],
  [
    'a judge that is none',
    'rl',
    judged,
    { ...prompts, base: assistant, reward_model: assistant },
    'incompatible_checkpoint',
    'inputs.reward_model',
  ],
  [
    'a judge nobody asked for',
    'rl',
    {},
    { ...prompts, base: assistant, reward_model: judge },
    'invalid_request',
    'inputs.reward_model',
  ],
  [
    "a judge that reads another tokenizer's text",
    'rl',
    judged,
    { ...prompts, base: assistant, reward_model: { ...judge, tokenizer_id: 'U' } },
    'incompatible_checkpoint',
    'inputs.reward_model',
  ],
  [
    'answers as long as the context',
    'rl',
    { grpo: { max_new_tokens: 64 } },
    { ...prompts, base: assistant },
    'invalid_config',
    'config.grpo.max_new_tokens',
  ],
  [
    'evaluated answers as long as the context',
    'eval',
    { task: 'answers', max_new_tokens: 64 },
    { ...prompts, base },
    'invalid_config',
    'config.max_new_tokens',
  ],
  [
    'text for pairs',
    'eval',
    { task: 'preferences' },
    { ...text, base: judge },
    'invalid_request',
    'inputs.datasets[0]',
  ],
  [
    'bits per byte of a masked model',
    'eval',
    {},
    { ...text, base: checkpoint('masked') },
    'incompatible_checkpoint',
    'inputs.base',
  ],
];

describe('the inputs of a stage', () => {
  it.each(TAKEN)('%s %j takes %j', (stage, config, inputs) => {
    expect(check(stage, config, inputs)).not.toThrow();
  });

  it.each(REFUSED)('%s: %s is refused', (_name, stage, config, inputs, code, param) => {
    expect(check(stage, config, inputs)).toThrow(expect.objectContaining({ code, param }));
  });
});

it('each stage makes what later stages may take', () => {
  const made = (stage: Stage, config: object = {}) => stageOutput(stage, parseStageConfig(stage, config));
  expect(STAGES.map((stage) => made(stage))).toEqual([
    'tokenizer',
    'base',
    'assistant',
    'reward',
    'assistant',
    'result',
  ]);
  expect(made('pretrain', { objective: 'masked' })).toBe('masked');
  expect(made('pretrain', { objective: 'fill_in_the_middle' })).toBe('base');
});
