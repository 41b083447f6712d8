import { setImmediate } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import { disposeCache, extend, initCache, type KeyValueCache, keepSequences } from './model/kv-cache.ts';
import type { ModelConfig } from './model/model-config.ts';
import { lookup, type Parameters } from './model/parameters.ts';
import { random } from './random.ts';
import { logProbability, type Sampling, sampleToken } from './sampling.ts';

export interface GenerateOptions extends Sampling {
  params: Parameters;
  config: ModelConfig;
  prompts: Int32Array[];
  maxNewTokens: number;
  /** Any of these ends a sequence. */
  stopTokens: number[];
  /** Sequence i draws from a random stream of (seed, i) alone, whatever else is in the batch. */
  seed: number;
  onToken?: (sequence: number, token: number) => void;
  signal?: AbortSignal;
}

export interface Completion {
  /** New tokens, the stop token included where one was drawn. */
  tokens: Int32Array;
  stopped: boolean;
  /** Of each new token under the model: temperature 1, nothing cut. */
  logProbabilities: Float32Array;
}

interface Sequence {
  index: number;
  uniform: () => number;
  tokens: number[];
  logProbabilities: number[];
  stopped: boolean;
}

/**
 * Continues each prompt, all in one batch with cached keys and values.
 * @throws TrainyardError invalid_request when a prompt is empty, when prompt and new tokens exceed the context, when
 *   a sampling parameter is out of range, or for a bidirectional model; the signal's reason when it is aborted.
 */
export async function generate(options: GenerateOptions): Promise<Completion[]> {
  validate(options);
  const { prompts, config, seed, signal, maxNewTokens } = options;
  const parameters = lookup(options.params);
  const sequences = prompts.map(
    (_, index): Sequence => ({
      index,
      uniform: random(seed, 'generate', index),
      tokens: [],
      logProbabilities: [],
      stopped: false,
    }),
  );
  if (prompts.length === 0) return [];
  const { tokens, padding } = alignRight(prompts);
  const cache = initCache(config, padding);
  let inBatch = sequences;
  let input = tokens;
  try {
    for (let i = 0; i < maxNewTokens && inBatch.some(({ stopped }) => !stopped); i++) {
      await setImmediate(); // lets an abort through: no await below needs to leave the microtask queue
      signal?.throwIfAborted();
      inBatch = dropStopped(inBatch, cache);
      if (i > 0) input = Int32Array.from(inBatch, (sequence) => sequence.tokens.at(-1)!);
      const scores = extend(parameters, config, cache, input);
      const rows = (await scores.data()) as Float32Array;
      scores.dispose();
      inBatch.forEach((sequence, b) => {
        const row = rows.subarray(b * config.vocabSize, (b + 1) * config.vocabSize);
        if (!sequence.stopped) advance(sequence, row, options);
      });
    }
  } finally {
    disposeCache(cache);
  }
  return sequences.map((sequence) => ({
    tokens: Int32Array.from(sequence.tokens),
    stopped: sequence.stopped,
    logProbabilities: Float32Array.from(sequence.logProbabilities),
  }));
}

function advance(sequence: Sequence, scores: Float32Array, options: GenerateOptions): void {
  const token = sampleToken(scores, options, sequence.uniform);
  sequence.tokens.push(token);
  sequence.logProbabilities.push(logProbability(scores, token));
  sequence.stopped = options.stopTokens.includes(token);
  options.onToken?.(sequence.index, token);
}

/** Sequences that have stopped leave the batch once they are half of it: each shrinking copies the cache. */
function dropStopped(inBatch: Sequence[], cache: KeyValueCache): Sequence[] {
  const active = inBatch.filter(({ stopped }) => !stopped);
  if (active.length > inBatch.length / 2) return inBatch;
  keepSequences(
    cache,
    active.map((sequence) => inBatch.indexOf(sequence)),
  );
  return active;
}

/** Prompts [B * longest] with empty slots in front of the shorter ones. */
function alignRight(prompts: Int32Array[]): { tokens: Int32Array; padding: number[] } {
  const longest = Math.max(...prompts.map((prompt) => prompt.length));
  const padding = prompts.map((prompt) => longest - prompt.length);
  const tokens = new Int32Array(prompts.length * longest);
  prompts.forEach((prompt, b) => {
    tokens.set(prompt, b * longest + padding[b]!);
  });
  return { tokens, padding };
}

function validate({ prompts, config, maxNewTokens, temperature, topK, topP }: GenerateOptions): void {
  const refuse = (message: string, param: string): never => {
    throw new TrainyardError('invalid_request', message, { param });
  };
  if (config.attention !== 'causal')
    refuse('A model that predicts missing words cannot generate; use one trained on the next word.', 'model');
  if (!(maxNewTokens >= 1)) refuse(`maxNewTokens is ${maxNewTokens}; it must be at least 1.`, 'maxNewTokens');
  if (!(temperature >= 0)) refuse(`temperature is ${temperature}; it must be 0 or more.`, 'temperature');
  if (topK !== undefined && !(topK >= 1)) refuse(`topK is ${topK}; it must be at least 1.`, 'topK');
  if (topP !== undefined && !(topP > 0 && topP <= 1))
    refuse(`topP is ${topP}; it must be in (0, 1].`, 'topP');
  for (const { length } of prompts) {
    if (length === 0) refuse('A prompt is empty; it needs at least one token.', 'prompt');
    if (length + maxNewTokens > config.contextLength)
      refuse(
        `A prompt of ${length} tokens and ${maxNewTokens} new ones exceed the context of ${config.contextLength}; shorten the prompt or lower maxNewTokens.`,
        'maxNewTokens',
      );
  }
}
