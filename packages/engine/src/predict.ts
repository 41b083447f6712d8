import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { forward, logits } from './model/forward.ts';
import type { ModelConfig } from './model/model-config.ts';
import { lookup, type Parameters } from './model/parameters.ts';
import { highest, logProbability } from './sampling.ts';

export interface Candidate {
  token: number;
  probability: number;
}

/** The `count` most probable tokens after `tokens`, most probable first; a causal model's answer. */
export async function predictNext(
  params: Parameters,
  config: ModelConfig,
  tokens: Int32Array,
  count: number,
): Promise<Candidate[]> {
  const [candidates] = await predictAt(params, config, tokens, [tokens.length - 1], count);
  return candidates!;
}

/** The `count` most probable tokens for each `maskToken` among `tokens`, in order; a bidirectional model's answer. */
export async function predictMasked(
  params: Parameters,
  config: ModelConfig,
  tokens: Int32Array,
  maskToken: number,
  count: number,
): Promise<{ position: number; candidates: Candidate[] }[]> {
  const positions = [...tokens.keys()].filter((i) => tokens[i] === maskToken);
  const candidates = await predictAt(params, config, tokens, positions, count);
  return positions.map((position, i) => ({ position, candidates: candidates[i]! }));
}

/** @throws TrainyardError invalid_request when there are no tokens, no positions, or more tokens than the context. */
async function predictAt(
  params: Parameters,
  config: ModelConfig,
  tokens: Int32Array,
  positions: number[],
  count: number,
): Promise<Candidate[][]> {
  if (tokens.length === 0 || tokens.length > config.contextLength || positions.length === 0)
    throw new TrainyardError(
      'invalid_request',
      `The text has ${tokens.length} tokens, ${positions.length} of them to predict; it needs at least one to predict and at most ${config.contextLength} in all.`,
    );
  const scores = tf.tidy(() => {
    const hidden = forward(lookup(params), config, tf.tensor2d(tokens, [1, tokens.length]));
    const rows = tf.gather(tf.reshape(hidden, [tokens.length, config.width]) as tf.Tensor2D, positions);
    return logits(lookup(params), config, rows);
  });
  const values = (await scores.data()) as Float32Array;
  scores.dispose();
  return positions.map((_, i) => {
    const row = values.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
    return highest(row, count).map((token) => ({ token, probability: Math.exp(logProbability(row, token)) }));
  });
}
