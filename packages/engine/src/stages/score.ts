import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { Dropout } from '../model/dropout.ts';
import { forward } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { lookup, type ParameterLookup, type Parameters } from '../model/parameters.ts';
import type { Judge } from './judge.ts';

/** The reward head [1, width], on the hidden state of a sequence's last token. */
export const SCORE_WEIGHT = 'score.weight';

/**
 * Scores [B] of right-padded sequences; differentiable. Under causal attention no padding is seen by a last token.
 * @param sequences each of 1 to contextLength tokens.
 */
export function sequenceScores(
  params: ParameterLookup,
  config: ModelConfig,
  sequences: readonly Int32Array[],
  dropout?: Dropout,
): tf.Tensor1D {
  const length = Math.max(...sequences.map((sequence) => sequence.length));
  const inputs = new Int32Array(sequences.length * length);
  const last = new Float32Array(sequences.length * length); // one-hot: a gather whose gradient is a plain product
  for (const [i, sequence] of sequences.entries()) {
    inputs.set(sequence, i * length);
    last[i * length + sequence.length - 1] = 1;
  }
  const tokens = tf.tensor2d(inputs, [sequences.length, length], 'int32');
  const hidden = forward(params, config, tokens, dropout && { dropout });
  const ends = tf.matMul(tf.tensor3d(last, [sequences.length, 1, length]), hidden); // [B,1,d]
  const scores = tf.matMul(
    tf.reshape(ends, [-1, config.width]),
    params(SCORE_WEIGHT) as tf.Tensor2D,
    false,
    true,
  );
  return tf.reshape(scores, [sequences.length]);
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
  for (let start = 0; start < sequences.length; start += batchSize) {
    const batch = sequences.slice(start, start + batchSize);
    const result = tf.tidy(() => sequenceScores(lookup(params), config, batch));
    scores.set(await result.data(), start);
    result.dispose();
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
