import { type CheckpointKind, type StoredModel, TrainyardError } from '@trainyard/contracts';
import type { SafeTensor } from '@trainyard/storage';
import type { Tokenizer } from '@trainyard/tokenizer';
import type { CardFacts } from './model-card.ts';

/** A weight in ordinary memory, row-major. */
export interface Weight {
  shape: readonly number[];
  data: Float32Array;
}

export type Weights = Readonly<Record<string, Weight>>;

/** All of a checkpoint that other tools can use. */
export interface CheckpointContent {
  kind: CheckpointKind;
  model: StoredModel;
  weights: Weights;
  tokenizer: Tokenizer;
  card: CardFacts;
}

/** Throws `invalid_data` naming the tensor unless all of them hold float32. */
export function toWeights(tensors: Readonly<Record<string, SafeTensor>>): Weights {
  for (const [name, { dtype }] of Object.entries(tensors)) {
    if (dtype !== 'float32')
      throw new TrainyardError('invalid_data', `Tensor "${name}" holds ${dtype}, not float32.`, {
        param: name,
      });
  }
  return tensors as Weights;
}

/** Throws `incompatible_checkpoint` for a kind that the format's Llama classes have no place for. */
export function refuseKind(kind: CheckpointKind, format: string, reason: string): never {
  throw new TrainyardError(
    'incompatible_checkpoint',
    `A ${kind} checkpoint cannot be exported as ${format}: ${reason}.`,
    { param: 'format' },
  );
}
