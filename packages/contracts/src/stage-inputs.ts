import { TrainyardError } from './errors.ts';
import type { ModelShape } from './model.ts';
import type { CheckpointKind } from './resources/checkpoint.ts';
import type { DatasetKind } from './resources/dataset.ts';
import type { Stage, StageConfig } from './stage-config.ts';

/** What is known of a dataset version that a run reads. */
export interface DatasetInput {
  name: string;
  kind: DatasetKind;
  train: number;
  held_out: number;
}

/** What is known of a checkpoint that a run starts from; a later stage of a pipeline knows only the kind. */
export interface CheckpointInput {
  kind: CheckpointKind;
  tokenizer_id?: string;
  model?: Pick<ModelShape, 'context_length'>;
}

export interface StageInputs {
  datasets: readonly DatasetInput[];
  tokenizer?: string | undefined;
  base?: CheckpointInput | undefined;
  reward_model?: CheckpointInput | undefined;
}

interface InputRule {
  datasets: readonly DatasetKind[];
  tokenizer: 'required' | 'optional' | 'refused';
  base: readonly CheckpointKind[] | 'refused';
  rewardModel: 'required' | 'refused';
}

/** What a stage with this configuration takes. */
function inputRule<S extends Stage>(stage: S, config: StageConfig[S]): InputRule {
  const none = { tokenizer: 'optional', rewardModel: 'refused' } as const;
  switch (stage) {
    case 'tokenizer':
      return { ...none, datasets: ['text'], tokenizer: 'refused', base: 'refused' };
    case 'pretrain':
      return { ...none, datasets: ['text'], tokenizer: 'required', base: 'refused' };
    case 'finetune':
      return { ...none, datasets: ['chat', 'instruction'], base: ['base', 'assistant'] };
    case 'reward_model':
      return { ...none, datasets: ['preference'], base: ['base', 'assistant'] };
    case 'rl': {
      const rl = config as StageConfig['rl'];
      if (rl.algorithm === 'dpo') return { ...none, datasets: ['preference'], base: ['assistant'] };
      const rewardModel = rl.grpo.judge === 'reward_model' ? 'required' : 'refused';
      return { ...none, datasets: ['prompts'], base: ['assistant'], rewardModel };
    }
    case 'eval': {
      const { task } = config as StageConfig['eval'];
      if (task === 'preferences') return { ...none, datasets: ['preference'], base: ['reward'] };
      if (task === 'answers')
        return { ...none, datasets: ['chat', 'instruction', 'prompts'], base: ['base', 'assistant'] };
      if (task === 'missing_word') return { ...none, datasets: ['text'], base: ['masked', 'base'] };
      return { ...none, datasets: ['text'], base: ['base', 'assistant'] };
    }
  }
  throw new TrainyardError('invalid_request', `There is no stage ${stage satisfies never}.`, {
    param: 'stage',
  });
}

/** What a stage makes: a tokenizer, a checkpoint of some kind, or only a result. */
export function stageOutput<S extends Stage>(
  stage: S,
  config: StageConfig[S],
): CheckpointKind | 'tokenizer' | 'result' {
  if (stage === 'tokenizer') return 'tokenizer';
  if (stage === 'eval') return 'result';
  if (stage === 'reward_model') return 'reward';
  if (stage === 'pretrain')
    return (config as StageConfig['pretrain']).objective === 'masked' ? 'masked' : 'base';
  return 'assistant';
}

const list = (values: readonly string[]): string => values.join(' or ');

/**
 * Refuses inputs that cannot serve a stage: missing or superfluous ones, wrong kinds, another tokenizer than the base
 * checkpoint's, an empty split, an answer longer than the model's context.
 */
export function checkStageInputs<S extends Stage>(
  stage: S,
  config: StageConfig[S],
  inputs: StageInputs,
): void {
  const rule = inputRule(stage, config);
  checkDatasets(stage, config, rule, inputs.datasets);
  if (rule.tokenizer === 'required' && !inputs.tokenizer) missing(stage, 'tokenizer', 'a tokenizer');
  if (rule.tokenizer === 'refused' && inputs.tokenizer) superfluous(stage, 'tokenizer');
  checkBase(stage, rule, inputs);
  if (rule.rewardModel === 'required') {
    if (!inputs.reward_model) missing(stage, 'reward_model', 'a reward model (judge: reward_model)');
    if (inputs.reward_model?.kind !== 'reward')
      wrongKind(stage, 'reward_model', inputs.reward_model?.kind, ['reward']);
    sameTokenizer('reward_model', inputs.reward_model?.tokenizer_id, inputs.base?.tokenizer_id);
  } else if (inputs.reward_model) superfluous(stage, 'reward_model');
  checkLengths(stage, config, inputs.base);
}

function checkDatasets<S extends Stage>(
  stage: S,
  config: StageConfig[S],
  rule: InputRule,
  datasets: readonly DatasetInput[],
): void {
  if (datasets.length === 0)
    missing(stage, 'datasets', `at least one dataset version of kind ${list(rule.datasets)}`);
  const split = stage === 'eval' ? (config as StageConfig['eval']).split : 'train';
  datasets.forEach((dataset, index) => {
    const param = `inputs.datasets[${index}]`;
    if (!rule.datasets.includes(dataset.kind))
      throw new TrainyardError(
        'invalid_request',
        `${dataset.name} holds ${dataset.kind} records; stage ${stage} here needs ${list(rule.datasets)}.`,
        { param },
      );
    if (dataset[split] === 0)
      throw new TrainyardError(
        'invalid_request',
        `The ${split} split of ${dataset.name} is empty. Choose the other split, or upload it with another held_out_fraction.`,
        { param },
      );
  });
}

function checkBase(stage: Stage, rule: InputRule, inputs: StageInputs): void {
  if (rule.base === 'refused') {
    if (inputs.base) superfluous(stage, 'base');
    return;
  }
  if (!inputs.base) missing(stage, 'base', `a checkpoint of kind ${list(rule.base)}`);
  if (!rule.base.includes(inputs.base.kind)) wrongKind(stage, 'base', inputs.base.kind, rule.base);
  sameTokenizer('tokenizer', inputs.tokenizer, inputs.base.tokenizer_id);
}

function checkLengths<S extends Stage>(
  stage: S,
  config: StageConfig[S],
  base: CheckpointInput | undefined,
): void {
  const context = base?.model?.context_length;
  if (context === undefined) return;
  const refuse = (length: number, param: string) => {
    if (length >= context)
      throw new TrainyardError(
        'invalid_config',
        `${param} is ${length}, but the model's context holds ${context} tokens, prompt and answer together.`,
        { param },
      );
  };
  if (stage === 'rl' && (config as StageConfig['rl']).algorithm === 'grpo')
    refuse((config as StageConfig['rl']).grpo.max_new_tokens, 'config.grpo.max_new_tokens');
  if (stage === 'eval' && (config as StageConfig['eval']).task === 'answers')
    refuse((config as StageConfig['eval']).max_new_tokens, 'config.max_new_tokens');
}

function missing(stage: Stage, input: string, what: string): never {
  throw new TrainyardError('invalid_request', `Stage ${stage} needs ${what} in inputs.${input}.`, {
    param: `inputs.${input}`,
  });
}

function superfluous(stage: Stage, input: string): never {
  throw new TrainyardError(
    'invalid_request',
    `Stage ${stage} with this configuration takes no ${input}; leave inputs.${input} out.`,
    {
      param: `inputs.${input}`,
    },
  );
}

function wrongKind(stage: Stage, input: string, kind: string | undefined, allowed: readonly string[]): never {
  throw new TrainyardError(
    'incompatible_checkpoint',
    `inputs.${input} is a ${kind} checkpoint; stage ${stage} with this configuration needs ${list(allowed)}.`,
    { param: `inputs.${input}` },
  );
}

function sameTokenizer(input: string, own: string | undefined, base: string | undefined): void {
  if (own && base && own !== base)
    throw new TrainyardError(
      'incompatible_checkpoint',
      `inputs.${input} uses tokenizer ${own}, but the base checkpoint's vocabulary is that of ${base}.`,
      { param: `inputs.${input}` },
    );
}
