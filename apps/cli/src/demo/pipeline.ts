import type { Client } from '@trainyard/contracts';
import type { DemoPreset } from './presets.ts';

type PipelineRequest = Parameters<Client['pipelines']['create']>[0];
type StageRequest = PipelineRequest['stages'][number];

const CHECKPOINTING = { every_seconds: 15 };
const SCHEDULE = { schedule: 'cosine', warmup_steps: 30, min_learning_rate_ratio: 0.05 };

/** The whole recipe as one pipeline, each claim with its evaluation. */
export function demoPipeline(preset: DemoPreset): PipelineRequest {
  const { evaluation, rl } = preset;
  const model = { preset: preset.model };
  const finetune = {
    optimization: { ...preset.finetune, ...SCHEDULE, weight_decay: 0.01 },
    checkpointing: CHECKPOINTING,
  };
  const answers = { task: 'answers', limit: evaluation.questions, max_new_tokens: 16 };
  const sampled = { ...answers, samples: evaluation.samples, temperature: 1 };
  const from = (stage: string) => ({ stage });
  const evaluate = (name: string, base: string, dataset: string, config: object): StageRequest => ({
    name,
    stage: 'eval',
    inputs: { datasets: [dataset], base: from(base) },
    config: { ...config },
  });
  return {
    name: 'demo',
    stages: [
      {
        name: 'tokenizer',
        stage: 'tokenizer',
        inputs: { datasets: ['world-text'] },
        config: { vocab_size: preset.vocabSize },
      },
      {
        name: 'base',
        stage: 'pretrain',
        inputs: { datasets: ['world-text'], tokenizer: from('tokenizer') },
        config: { model, optimization: { ...preset.pretrain, ...SCHEDULE }, checkpointing: CHECKPOINTING },
      },
      evaluate('text', 'base', 'world-text', { task: 'bits_per_byte', limit: evaluation.documents }),
      {
        name: 'masked',
        stage: 'pretrain',
        inputs: { datasets: ['world-text'], tokenizer: from('tokenizer') },
        config: {
          model,
          objective: 'masked',
          optimization: { ...preset.masked, ...SCHEDULE },
          checkpointing: CHECKPOINTING,
        },
      },
      evaluate('missing-words', 'masked', 'world-text', { task: 'missing_word', limit: evaluation.words }),
      {
        name: 'assistant',
        stage: 'finetune',
        inputs: { datasets: ['facts'], base: from('base') },
        config: finetune,
      },
      {
        name: 'scratch',
        stage: 'finetune',
        inputs: { datasets: ['facts'], base: from('base') },
        config: { ...finetune, initial_weights: 'random' },
      },
      evaluate('answers-of-base', 'base', 'facts-unseen', answers),
      evaluate('answers-of-scratch', 'scratch', 'facts-unseen', answers),
      evaluate('answers-of-assistant', 'assistant', 'facts-unseen', answers),
      {
        name: 'rl',
        stage: 'rl',
        inputs: { datasets: ['fact-prompts'], base: from('assistant') },
        config: {
          algorithm: 'grpo',
          grpo: {
            prompts_per_step: rl.promptsPerStep,
            group_size: rl.groupSize,
            max_new_tokens: 16,
            kl_coefficient: 0.02,
            grader: 'exact',
          },
          optimization: {
            steps: rl.steps,
            learning_rate: rl.learningRate,
            schedule: 'constant',
            warmup_steps: 5,
          },
          checkpointing: CHECKPOINTING,
        },
      },
      evaluate('before-rl', 'assistant', 'fact-prompts-unseen', sampled),
      evaluate('after-rl', 'rl', 'fact-prompts-unseen', sampled),
    ],
  };
}
