import {
  countParameters,
  type FinetuneConfig,
  type ModelShape,
  type PretrainConfig,
  type RlConfig,
  type Stage,
  type StageConfig,
} from '@trainyard/contracts';

export interface Model extends ModelShape {
  vocab_size: number;
}

/** What one stage works through, at most: sequences that are shorter than the context cost less. */
export interface Work {
  steps: number | null;
  /** Tokens that the model sees, each pass of each sequence counted once. */
  tokens: number;
  /** Sequences that are in memory together. */
  batch: number;
  /** Records read over the whole run; null where text is packed without regard to records. */
  records: number | null;
  /** Floating-point operations on a token, in units of its forward pass. */
  passes: number;
  trains: boolean;
}

/** A forward pass is 1, a backward pass 2. */
const TRAINING = 3;

function rlWork({ algorithm, grpo, optimization }: RlConfig, context: number): Work {
  const { steps, batch_size, accumulation } = optimization;
  const common = { steps, trains: true };
  if (algorithm === 'dpo') {
    const records = steps * batch_size * accumulation;
    // The chosen and the rejected answer; the reference model passes over both once more.
    return { ...common, tokens: 2 * records * context, batch: 2 * batch_size, records, passes: TRAINING + 1 };
  }
  const rollouts = Math.ceil(steps / grpo.updates_per_rollout);
  const records = rollouts * grpo.prompts_per_step;
  const batch = grpo.prompts_per_step * grpo.group_size;
  // Writing the answers, the reference's pass, and the updates.
  const passes = 2 + TRAINING * grpo.updates_per_rollout;
  return { ...common, tokens: rollouts * batch * context, batch, records, passes };
}

/** The work of a stage on sequences of `context` tokens; undefined for a tokenizer, which trains no model. */
export function workOf<S extends Stage>(
  stage: S,
  config: StageConfig[S],
  context: number,
  records: number,
): Work | undefined {
  switch (stage as Stage) {
    case 'tokenizer':
      return undefined;
    case 'pretrain':
    case 'finetune': {
      const { steps, batch_size, accumulation } = (config as PretrainConfig | FinetuneConfig).optimization;
      const tokens = steps * batch_size * accumulation * context;
      return { steps, tokens, batch: batch_size, records: null, passes: TRAINING, trains: true };
    }
    case 'reward_model': {
      const { steps, batch_size, accumulation } = (config as StageConfig['reward_model']).optimization;
      const pairs = steps * batch_size * accumulation;
      return {
        steps,
        tokens: 2 * pairs * context,
        batch: 2 * batch_size,
        records: pairs,
        passes: TRAINING,
        trains: true,
      };
    }
    case 'rl':
      return rlWork(config as RlConfig, context);
    case 'eval': {
      const { limit, samples } = config as StageConfig['eval'];
      const read = Math.min(limit, records);
      const tokens = read * (1 + samples) * context;
      return { steps: null, tokens, batch: 8, records: read, passes: 1, trains: false };
    }
  }
}

/**
 * Floating-point operations of one token's forward pass: two for each parameter of a matrix product, and
 * 4 * layers * width * context for attention scores and values (Kaplan et al. 2020, section 2.1, table 1).
 */
export function forwardOperations(model: Model): number {
  const parameters = countParameters(model, model.vocab_size);
  return 2 * parameters + 4 * model.layers * model.width * model.context_length;
}

/**
 * Bytes in float32: weights, gradients and AdamW's two moments (16 a parameter; 4 without training), and what the
 * backward pass needs of each sequence: about 14 values of the width and 4 of the hidden layer a token and block, the
 * attention weights twice, and the scores over the vocabulary twice.
 */
export function memoryBytes(model: Model, { batch, trains }: Work): number {
  const { width, hidden_width, layers, heads, context_length, vocab_size } = model;
  const state = countParameters(model, vocab_size) * (trains ? 16 : 4);
  const block = context_length * (14 * width + 4 * hidden_width + 2 * heads * context_length);
  const held = trains ? layers : 1;
  return state + 4 * batch * (held * block + 2 * context_length * vocab_size);
}
