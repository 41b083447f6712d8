import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { Tensors } from '@trainyard/tensor';
import { float32, type HostTensor, int32 } from '../host-tensor.ts';
import type { Dropout } from '../model/dropout.ts';
import { forward } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { openModel } from '../model/open-model.ts';
import type { ParameterLookup, Parameters } from '../model/parameters.ts';
import type { Judge } from './judge.ts';
import { paddedLength } from './padded-length.ts';

/** The reward head [1, width], on the hidden state of a sequence's last token. */
export const SCORE_WEIGHT = 'score.weight';

/** `tokens` int32 [B,T] right-padded; `last` [B,1,T] one-hot: a gather whose gradient is a plain product. */
export function sequenceBatch(
  sequences: readonly Int32Array[],
  contextLength: number,
  rows = sequences.length,
): Record<'tokens' | 'last', HostTensor> {
  const length = paddedLength(Math.max(...sequences.map((sequence) => sequence.length)), contextLength);
  const tokens = new Int32Array(rows * length);
  const last = new Float32Array(rows * length);
  for (const [i, sequence] of sequences.entries()) {
    tokens.set(sequence, i * length);
    last[i * length + sequence.length - 1] = 1;
  }
  return { tokens: int32(tokens, [rows, length]), last: float32(last, [rows, 1, length]) };
}

/** Scores [B] of a `sequenceBatch`; differentiable. Under causal attention no padding is seen by a last token. */
export function sequenceScores(
  params: ParameterLookup,
  config: ModelConfig,
  { tokens, last }: Tensors,
  dropout?: Dropout,
): tf.Tensor1D {
  const hidden = forward(params, config, tokens as tf.Tensor2D, dropout && { dropout });
  const ends = tf.matMul(last as tf.Tensor3D, hidden); // [B,1,d]
  const scores = tf.matMul(
    tf.reshape(ends, [-1, config.width]),
    params(SCORE_WEIGHT) as tf.Tensor2D,
    false,
    true,
  );
  return tf.reshape(scores, [tokens!.shape[0]!]);
}

/**
 * Scores of whole conversations by a reward model, [sequences], higher is better.
 * @throws TrainyardError `incompatible_checkpoint` without `score.weight`, `invalid_data` for an empty sequence or one
 *   longer than the context.
 */
export async function score(options: {
  params: Parameters;
  config: ModelConfig;
  sequences: readonly Int32Array[];
  batchSize?: number;
}): Promise<Float32Array> {
  const { params, config, sequences, batchSize = 32 } = options;
  if (!params.has(SCORE_WEIGHT)) {
    throw new TrainyardError(
      'incompatible_checkpoint',
      'This checkpoint has no reward head (score.weight): choose one that stage reward_model made.',
    );
  }
  validateSequences(sequences, config.contextLength);
  const scores = new Float32Array(sequences.length);
  const rows = Math.min(batchSize, sequences.length);
  const model = openModel(params, { scores: (weights, batch) => sequenceScores(weights, config, batch) });
  try {
    for (let start = 0; start < sequences.length; start += rows) {
      const batch = sequences.slice(start, start + rows);
      const values = await model.run('scores', sequenceBatch(batch, config.contextLength, rows));
      scores.set(values.subarray(0, batch.length), start);
    }
  } finally {
    model.dispose();
  }
  return scores;
}

/** Throws invalid_data for the first sequence (numbered from 1) that is empty or longer than the context. */
export function validateSequences(sequences: readonly Int32Array[], contextLength: number): void {
  const wrong = sequences.findIndex(({ length }) => length === 0 || length > contextLength);
  if (wrong >= 0) {
    throw new TrainyardError(
      'invalid_data',
      `Sequence ${wrong + 1} has ${sequences[wrong]!.length} tokens; it must have 1 to ${contextLength}, the context length.`,
    );
  }
}

/**
 * A reward model as the judge of reinforcement learning. `render` lays out a prompt and a completion as the
 * conversation that the reward model was trained on.
 */
export function rewardModelJudge(options: {
  params: Parameters;
  config: ModelConfig;
  render: (prompt: string, completion: string) => Int32Array;
  batchSize?: number;
}): Judge {
  const { render, ...model } = options;
  return async (batch) => {
    const sequences = batch.flatMap(({ prompt, completions }) =>
      completions.map((completion) => render(prompt, completion)),
    );
    const scores = Array.from(await score({ ...model, sequences }));
    return batch.map(({ completions }) => scores.splice(0, completions.length));
  };
}
