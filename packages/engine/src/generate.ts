import { setImmediate } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import { type Execution, preferredExecution } from '@trainyard/tensor';
import { CompiledDecoder } from './model/compiled-decoder.ts';
import type { Decoder } from './model/decoder.ts';
import { EagerDecoder } from './model/eager-decoder.ts';
import type { ModelConfig } from './model/model-config.ts';
import type { Parameters } from './model/parameters.ts';
import { random } from './random.ts';
import { type Sampling, sampleToken } from './sampling.ts';

export interface GenerationRequest extends Sampling {
  prompts: Int32Array[];
  maxNewTokens: number;
  /** Any of these ends a sequence. */
  stopTokens: number[];
  /** Sequence i draws from a random stream of (seed, i) alone, whatever else is in the batch. */
  seed: number;
  onToken?: (sequence: number, token: number) => void;
  signal?: AbortSignal;
}

/** A model that writes; keep it for several requests, since its steps are compiled for each size of batch. */
export interface TextGenerator {
  /** Takes these weights from now on; the caller keeps the tensors. */
  load(params: Parameters): void;
  /**
   * Continues each prompt, all in one batch with cached keys and values.
   * @throws TrainyardError invalid_request when a prompt is empty, when prompt and new tokens exceed the context, when
   *   a sampling parameter is out of range, or for a bidirectional model; the signal's reason when it is aborted.
   */
  generate(request: GenerationRequest): Promise<Completion[]>;
  dispose(): void;
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

export function openGenerator(
  config: ModelConfig,
  execution: Execution = preferredExecution(),
): TextGenerator {
  const decoder = execution === 'compiled' ? new CompiledDecoder(config) : new EagerDecoder(config);
  return {
    load: (params) => decoder.load(params),
    generate: (request) => write(decoder, config, request),
    dispose: () => decoder.dispose(),
  };
}

/** One request to a model, op by op unless told: compiling costs more than a short answer. */
export async function generate({
  params,
  config,
  execution = 'eager',
  ...request
}: GenerationRequest & {
  params: Parameters;
  config: ModelConfig;
  execution?: Execution;
}): Promise<Completion[]> {
  const generator = openGenerator(config, execution);
  try {
    generator.load(params);
    return await generator.generate(request);
  } finally {
    generator.dispose();
  }
}

async function write(
  decoder: Decoder,
  config: ModelConfig,
  request: GenerationRequest,
): Promise<Completion[]> {
  validate(config, request);
  const { prompts, seed, signal, maxNewTokens } = request;
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
  let inBatch = sequences;
  try {
    for (let i = 0; i < maxNewTokens && inBatch.some(({ stopped }) => !stopped); i++) {
      await setImmediate(); // lets an abort through: no await below needs to leave the microtask queue
      signal?.throwIfAborted();
      if (i > 0) inBatch = dropStopped(inBatch, decoder);
      const scores =
        i === 0
          ? await decoder.start(prompts, maxNewTokens)
          : await decoder.extend(Int32Array.from(inBatch, (sequence) => sequence.tokens.at(-1)!));
      inBatch.forEach((sequence, b) => {
        const row = scores.subarray(b * config.vocabSize, (b + 1) * config.vocabSize);
        if (!sequence.stopped) advance(sequence, row, request);
      });
    }
  } finally {
    decoder.end();
  }
  return sequences.map((sequence) => ({
    tokens: Int32Array.from(sequence.tokens),
    stopped: sequence.stopped,
    logProbabilities: Float32Array.from(sequence.logProbabilities),
  }));
}

function advance(sequence: Sequence, scores: Float32Array, options: GenerationRequest): void {
  const { token, logProbability } = sampleToken(scores, options, sequence.uniform);
  sequence.tokens.push(token);
  sequence.logProbabilities.push(logProbability);
  sequence.stopped = options.stopTokens.includes(token);
  options.onToken?.(sequence.index, token);
}

/** Sequences that have stopped leave the batch once they are half of it: each shrinking copies the cache. */
function dropStopped(inBatch: Sequence[], decoder: Decoder): Sequence[] {
  const active = inBatch.filter(({ stopped }) => !stopped);
  if (!decoder.keep || active.length > inBatch.length / 2) return inBatch;
  decoder.keep(active.map((sequence) => inBatch.indexOf(sequence)));
  return active;
}

function validate(
  config: ModelConfig,
  { prompts, maxNewTokens, temperature, topK, topP }: GenerationRequest,
): void {
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
