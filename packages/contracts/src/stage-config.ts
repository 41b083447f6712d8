import { type Static, Type } from 'typebox';
import { ModelRequest } from './model.ts';
import { OneOf, Strict } from './schema.ts';

export const STAGES = ['tokenizer', 'pretrain', 'finetune', 'reward_model', 'rl', 'eval'] as const;
export type Stage = (typeof STAGES)[number];
export const StageSchema = OneOf(STAGES);

/** Stages that a run may have: those that can be submitted, and `import`, which brings a checkpoint from elsewhere. */
export const RUN_STAGES = [...STAGES, 'import'] as const;
export type RunStage = (typeof RUN_STAGES)[number];
export const RunStageSchema = OneOf(RUN_STAGES);

const ratio = (value: number, description: string) =>
  Type.Number({ minimum: 0, maximum: 1, default: value, description });
const count = (value: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 1, maximum, default: value, description });
const positive = (value: number, description: string) =>
  Type.Number({ exclusiveMinimum: 0, maximum: 1e6, default: value, description });
/** Below 1: the correction of its bias divides by 1 - decay^step. */
const decay = (value: number, description: string) =>
  Type.Number({ minimum: 0, exclusiveMaximum: 1, default: value, description });

/** How the weights move: AdamW with decoupled decay on matrices (Loshchilov and Hutter 2019) and a schedule. */
const optimization = (defaults: {
  steps: number;
  batch_size: number;
  learning_rate: number;
  weight_decay: number;
}) =>
  Strict({
    steps: count(defaults.steps, 100_000_000, 'Optimizer steps.'),
    batch_size: count(defaults.batch_size, 65_536, 'Sequences (or pairs) in one micro-batch.'),
    accumulation: count(1, 4096, 'Micro-batches whose gradients are averaged into one step.'),
    learning_rate: positive(defaults.learning_rate, 'Peak learning rate.'),
    schedule: OneOf(['cosine', 'warmup_stable_decay', 'constant'], { default: 'cosine' }),
    warmup_steps: Type.Integer({ minimum: 0, default: 20, description: 'Steps of linear warm-up.' }),
    min_learning_rate_ratio: ratio(0.1, 'Where the schedule ends, as a share of the peak.'),
    weight_decay: Type.Number({ minimum: 0, maximum: 10, default: defaults.weight_decay }),
    beta1: decay(0.9, "AdamW's first moment."),
    beta2: decay(0.95, "AdamW's second moment."),
    gradient_clip: positive(1, 'Largest global gradient norm.'),
    dropout: Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0, description: 'Residual dropout.' }),
    non_finite_loss: OneOf(['fail', 'rewind'], {
      default: 'fail',
      description:
        'A loss or gradient that is not finite never reaches a checkpoint. fail: the run ends. rewind: it goes back to its last checkpoint and passes over the step.',
    }),
    max_skipped_steps: count(10, 1000, 'Steps that may be passed over in an attempt before the run fails.'),
  });

const Retention = Strict({
  last: count(5, 100_000, 'The latest so many.'),
  every_steps: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Those at a multiple of so many steps.' }),
  ),
  best: Type.Optional(
    Strict({
      metric: Type.String({ minLength: 1, description: 'A metric of the training, such as loss.' }),
      goal: OneOf(['lowest', 'highest'], { default: 'lowest' }),
      count: count(1, 1000, 'How many of the best.'),
    }),
  ),
});
export type Retention = Static<typeof Retention>;

const Checkpointing = Strict({
  every_steps: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Also write a checkpoint every so many steps.' }),
  ),
  every_seconds: positive(30, 'Write a checkpoint at least this often: the most work that a crash can cost.'),
  keep: Retention,
});
export type Checkpointing = Static<typeof Checkpointing>;

export const TokenizerConfig = Strict({
  vocab_size: Type.Integer({
    minimum: 266,
    maximum: 262_144,
    default: 1024,
    description: 'Entries: 10 special, 256 bytes, the rest merges.',
  }),
  max_bytes: Type.Integer({
    minimum: 1000,
    default: 50_000_000,
    description: 'Most text to learn the merges from.',
  }),
});

export const OBJECTIVES = ['next_word', 'masked', 'fill_in_the_middle'] as const;

export const PretrainConfig = Strict({
  model: ModelRequest,
  objective: OneOf(OBJECTIVES, {
    default: 'next_word',
    description:
      'next_word: causal. masked: missing words from both sides. fill_in_the_middle: causal, missing spans last.',
  }),
  masking_rate: ratio(0.15, 'Share of tokens to predict (masked).'),
  fim_rate: ratio(0.5, 'Share of sequences rearranged (fill_in_the_middle).'),
  optimization: optimization({ steps: 1000, batch_size: 8, learning_rate: 2e-3, weight_decay: 0.1 }),
  checkpointing: Checkpointing,
});

export const LORA_TARGETS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;
const Lora = Strict({
  rank: count(8, 1024, 'Rank of each adapter.'),
  alpha: positive(16, 'The adapter is scaled by alpha / rank.'),
  targets: Type.Array(OneOf(LORA_TARGETS), { minItems: 1, uniqueItems: true, default: ['q_proj', 'v_proj'] }),
});

export const FinetuneConfig = Strict({
  method: OneOf(['full', 'lora'], { default: 'full' }),
  lora: Lora,
  initial_weights: OneOf(['base', 'random'], {
    default: 'base',
    description:
      "random: the base model's shape with fresh weights, as a control that shows what pre-training gave.",
  }),
  optimization: optimization({ steps: 300, batch_size: 8, learning_rate: 1e-3, weight_decay: 0.01 }),
  checkpointing: Checkpointing,
});

export const RewardModelConfig = Strict({
  optimization: optimization({ steps: 200, batch_size: 8, learning_rate: 3e-4, weight_decay: 0.01 }),
  checkpointing: Checkpointing,
});

export const GRADERS = ['exact', 'contains', 'numeric', 'similarity'] as const;
export const GraderSchema = OneOf(GRADERS, {
  default: 'exact',
  description:
    'How an answer is held against its references: equal after normalisation, containing, same number, or edit similarity.',
});

const Grpo = Strict({
  prompts_per_step: count(8, 4096, 'Prompts in a step.'),
  group_size: Type.Integer({
    minimum: 2,
    maximum: 1024,
    default: 8,
    description: 'Answers written to each prompt.',
  }),
  updates_per_rollout: count(1, 64, 'Optimizer steps on each batch of answers.'),
  temperature: positive(1, 'Sampling temperature of the answers.'),
  max_new_tokens: count(16, 8192, 'Longest answer.'),
  clip: positive(0.2, "PPO's clipping range."),
  kl_coefficient: Type.Number({
    minimum: 0,
    maximum: 100,
    default: 0.02,
    description: 'Weight of the KL term to the reference.',
  }),
  judge: OneOf(['grader', 'reward_model'], { default: 'grader', description: 'Who judges the answers.' }),
  grader: GraderSchema,
});

const Dpo = Strict({
  beta: positive(0.1, 'Strength of the pull to the reference.'),
  nll_weight: Type.Number({
    minimum: 0,
    maximum: 100,
    default: 1,
    description: "Weight of the chosen answer's likelihood.",
  }),
});

export const RlConfig = Strict({
  algorithm: OneOf(['grpo', 'dpo'], { default: 'grpo' }),
  grpo: Grpo,
  dpo: Dpo,
  optimization: optimization({ steps: 60, batch_size: 8, learning_rate: 2e-4, weight_decay: 0 }),
  checkpointing: Checkpointing,
});

export const EVAL_TASKS = ['bits_per_byte', 'missing_word', 'answers', 'preferences'] as const;
export const EvalConfig = Strict({
  task: OneOf(EVAL_TASKS, { default: 'bits_per_byte' }),
  split: OneOf(['held_out', 'train'], { default: 'held_out' }),
  limit: count(200, 1_000_000, 'Most records to evaluate.'),
  max_new_tokens: count(16, 8192, 'Longest answer (answers).'),
  samples: Type.Integer({
    minimum: 0,
    maximum: 1024,
    default: 0,
    description: 'Sampled answers a prompt, for pass@1 (answers).',
  }),
  temperature: positive(1, 'Temperature of the sampled answers.'),
  grader: GraderSchema,
});

/** The configuration schema of each stage: the one place that names a stage's options and their defaults. */
export const STAGE_CONFIG = {
  tokenizer: TokenizerConfig,
  pretrain: PretrainConfig,
  finetune: FinetuneConfig,
  reward_model: RewardModelConfig,
  rl: RlConfig,
  eval: EvalConfig,
} as const satisfies Record<Stage, unknown>;

export type StageConfig = { [S in Stage]: Static<(typeof STAGE_CONFIG)[S]> };
export type PretrainConfig = StageConfig['pretrain'];
export type FinetuneConfig = StageConfig['finetune'];
export type RlConfig = StageConfig['rl'];
export type EvalConfig = StageConfig['eval'];
export type Optimization = PretrainConfig['optimization'];
