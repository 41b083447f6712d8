import { describe, expect, it } from 'vitest';
import type { TrainyardError } from '../src/errors.ts';
import { parseStageConfig } from '../src/parse-config.ts';
import { STAGES, type Stage } from '../src/stage-config.ts';

function refusal(stage: Stage, config: unknown): TrainyardError {
  try {
    parseStageConfig(stage, config);
  } catch (error) {
    return error as TrainyardError;
  }
  throw new Error(`stage ${stage} took ${JSON.stringify(config)}`);
}

describe('defaults', () => {
  it('fill an empty tokenizer and eval config', () => {
    expect(parseStageConfig('tokenizer', {})).toEqual({ vocab_size: 1024, max_bytes: 50_000_000 });
    expect(parseStageConfig('eval', undefined)).toEqual({
      task: 'bits_per_byte',
      split: 'held_out',
      limit: 200,
      max_new_tokens: 16,
      samples: 0,
      temperature: 1,
      grader: 'exact',
    });
  });

  it('fill in nested objects, the shape of the preset, and leave what was given', () => {
    const given = { model: { preset: 'tiny', layers: 3 }, optimization: { steps: 7 } };
    expect(parseStageConfig('pretrain', given)).toEqual({
      model: {
        preset: 'tiny',
        layers: 3,
        width: 32,
        heads: 2,
        kv_heads: 1,
        hidden_width: 96,
        context_length: 64,
        tied_head: true,
        rope_theta: 10_000,
      },
      objective: 'next_word',
      masking_rate: 0.15,
      fim_rate: 0.5,
      optimization: {
        steps: 7,
        batch_size: 8,
        accumulation: 1,
        learning_rate: 0.002,
        schedule: 'cosine',
        warmup_steps: 20,
        min_learning_rate_ratio: 0.1,
        weight_decay: 0.1,
        beta1: 0.9,
        beta2: 0.95,
        gradient_clip: 1,
        dropout: 0,
        non_finite_loss: 'fail',
        max_skipped_steps: 10,
      },
      checkpointing: { every_seconds: 30, keep: { last: 5 } },
    });
    expect(given).toEqual({ model: { preset: 'tiny', layers: 3 }, optimization: { steps: 7 } });
  });

  it('leave out optional objects, and fill in those that are given', () => {
    const keep = (given: object) =>
      parseStageConfig('pretrain', { checkpointing: { keep: given } }).checkpointing.keep;
    expect(keep({})).toEqual({ last: 5 });
    expect(keep({ best: { metric: 'loss' } })).toEqual({
      last: 5,
      best: { metric: 'loss', goal: 'lowest', count: 1 },
    });
  });

  it('differ by stage', () => {
    const { lora, method, optimization } = parseStageConfig('finetune', {});
    expect({ lora, method }).toEqual({
      method: 'full',
      lora: { rank: 8, alpha: 16, targets: ['q_proj', 'v_proj'] },
    });
    expect([optimization.steps, optimization.weight_decay]).toEqual([300, 0.01]);
    const rl = parseStageConfig('rl', { dpo: { beta: 0.3 } });
    expect([rl.algorithm, rl.grpo.group_size, rl.grpo.judge, rl.dpo]).toEqual([
      'grpo',
      8,
      'grader',
      { beta: 0.3, nll_weight: 1 },
    ]);
  });

  it.each(STAGES)('a parsed %s config parses to itself', (stage) => {
    const parsed = parseStageConfig(stage, {});
    expect(parseStageConfig(stage, structuredClone(parsed))).toEqual(parsed);
  });
});

const REFUSED: [string, Stage, unknown, string, RegExp][] = [
  ['an unknown option', 'tokenizer', { vocab: 300 }, 'config.vocab', /is not an option/],
  [
    'a nested unknown option',
    'pretrain',
    { optimization: { epochs: 1 } },
    'config.optimization.epochs',
    /is not an option/,
  ],
  ["another stage's option", 'finetune', { objective: 'masked' }, 'config.objective', /is not an option/],
  ['a wrong type', 'pretrain', { optimization: { steps: '7' } }, 'config.optimization.steps', /integer/],
  ['a fraction of a step', 'rl', { optimization: { steps: 1.5 } }, 'config.optimization.steps', /integer/],
  ['a value outside a set', 'eval', { task: 'guess' }, 'config.task', /bits_per_byte, missing_word/],
  ['a value below its range', 'tokenizer', { vocab_size: 265 }, 'config.vocab_size', /266/],
  ['a value above its range', 'pretrain', { masking_rate: 1.1 }, 'config.masking_rate', /1/],
  [
    'a learning rate of 0',
    'finetune',
    { optimization: { learning_rate: 0 } },
    'config.optimization.learning_rate',
    /0/,
  ],
  [
    'a moment that never decays',
    'pretrain',
    { optimization: { beta2: 1 } },
    'config.optimization.beta2',
    /1/,
  ],
  ['an object that is a list', 'pretrain', { optimization: [] }, 'config.optimization', /object/],
  ['a config that is a list', 'eval', [], 'config', /object/],
  ['a config that is text', 'eval', 'fast', 'config', /object/],
  ['no target for adapters', 'finetune', { lora: { targets: [] } }, 'config.lora.targets', /1/],
  [
    'an unknown target',
    'finetune',
    { lora: { targets: ['q_proj', 'head'] } },
    'config.lora.targets.1',
    /q_proj/,
  ],
  ['a group of one', 'rl', { grpo: { group_size: 1 } }, 'config.grpo.group_size', /2/],
  ['an unknown preset', 'pretrain', { model: { preset: 'huge' } }, 'config.model.preset', /tiny, mini/],
  [
    'heads that do not divide the width',
    'pretrain',
    { model: { preset: 'tiny', heads: 3 } },
    'config.model.heads',
    /not a multiple/,
  ],
];

describe('refusals', () => {
  it.each(REFUSED)('%s', (_name, stage, config, param, message) => {
    const error = refusal(stage, config);
    expect([error.code, error.status, error.param]).toEqual(['invalid_config', 400, param]);
    expect(error.message).toMatch(message);
  });

  it('name every field that is wrong', () => {
    const { details } = refusal('eval', { task: 'guess', limit: 0, extra: true });
    expect(details.map(({ param }) => param).sort()).toEqual(['config.extra', 'config.limit', 'config.task']);
  });
});
