import { type ModelShape, PRESETS } from '@trainyard/contracts';
import { type ModelConfig, toModelConfig } from '@trainyard/engine';

/** A model and what is done with it. */
export interface Size {
  model: ModelConfig;
  /** Sequences in a train step and in a forward pass; each is as long as the model's context. */
  batch: number;
  /** Generation: tokens given and tokens drawn, for each sequence. */
  promptLength: number;
  newTokens: number;
}

function size(shape: ModelShape, vocabSize: number, batch: number): Size {
  const model = toModelConfig({
    ...shape,
    vocab_size: vocabSize,
    attention: 'causal',
    objective: 'next_word',
  });
  const promptLength = Math.min(32, shape.context_length / 4);
  return { model, batch, promptLength, newTokens: 2 * promptLength };
}

/** T is for trying the command; S, M and L are what docs/benchmarks.md holds figures of. */
export const SIZES = {
  T: size(PRESETS.tiny, 266, 4),
  S: size({ ...PRESETS.mini, kv_heads: PRESETS.mini.heads }, 512, 8),
  M: size(PRESETS.medium, 4096, 8),
  L: size(PRESETS.large, 16_384, 4),
} satisfies Record<string, Size>;

export type SizeName = keyof typeof SIZES;
