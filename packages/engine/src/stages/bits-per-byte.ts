import { TrainyardError } from '@trainyard/contracts';
import type { Execution } from '@trainyard/tensor';
import { type Likelihood, openLikelihood } from '../likelihood.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { Parameters } from '../model/parameters.ts';
import { paddedLength } from './padded-length.ts';

/** Inputs [length], targets [length], and which targets count: a token is scored in one window only. */
interface Window {
  inputs: Int32Array;
  targets: Int32Array;
  firstScored: number;
}

export interface BitsPerByteOptions {
  params: Parameters;
  config: ModelConfig;
  documents: Int32Array[];
  /** UTF-8 bytes of all documents. */
  bytes: number;
  /** Starts each document, as in training: the first token is scored after it. */
  endOfText: number;
  /** Windows in a forward pass. */
  batchSize?: number;
  signal?: AbortSignal;
  execution?: Execution;
}

/**
 * Compression of text by a causal model: negative log-likelihood / ln 2 / bytes. Every token is scored once; where a
 * document exceeds the context, windows advance by half of it, so that a token sees half a context before it at least.
 * @throws TrainyardError invalid_data when there is no text, invalid_request for a bidirectional model.
 */
export async function bitsPerByte(
  options: BitsPerByteOptions,
): Promise<{ bitsPerByte: number; nats: number; tokens: number }> {
  const { config, documents, bytes, endOfText, batchSize = 8, signal } = options;
  if (config.attention !== 'causal')
    throw new TrainyardError('invalid_request', 'Bits per byte are defined for causal models only.');
  const tokens = documents.reduce((sum, { length }) => sum + length, 0);
  if (tokens === 0 || !(bytes > 0))
    throw new TrainyardError('invalid_data', 'The documents hold no text to evaluate on.');
  const windows = documents.flatMap((document) => cut(document, endOfText, config.contextLength));
  windows.sort((a, b) => a.inputs.length - b.inputs.length); // little padding
  const model = openLikelihood(options.params, config, options.execution);
  let nats = 0;
  try {
    for (let i = 0; i < windows.length; i += batchSize) {
      signal?.throwIfAborted();
      nats += await score(model, windows.slice(i, i + batchSize), batchSize, config.contextLength);
    }
  } finally {
    model.dispose();
  }
  return { bitsPerByte: nats / Math.LN2 / bytes, nats, tokens };
}

function cut(document: Int32Array, endOfText: number, length: number): Window[] {
  const text = Int32Array.of(endOfText, ...document);
  const stride = Math.max(1, length >> 1);
  const windows: Window[] = [];
  let scored = 0; // targets so far
  while (scored < document.length) {
    const start = scored === 0 ? 0 : scored - (length - stride);
    const end = Math.min(start + length, document.length);
    windows.push({
      inputs: text.slice(start, end),
      targets: text.slice(start + 1, end + 1),
      firstScored: scored - start,
    });
    scored = end;
  }
  return windows;
}

/** Negative log-likelihood in nats of the windows' scored targets, in a batch filled up to `rows`. */
async function score(
  model: Likelihood,
  windows: Window[],
  rows: number,
  contextLength: number,
): Promise<number> {
  const length = paddedLength(Math.max(...windows.map(({ inputs }) => inputs.length)), contextLength);
  const inputs = new Int32Array(rows * length); // what follows a window's end is later than all it scores
  const targets = new Int32Array(rows * length);
  windows.forEach((window, row) => {
    inputs.set(window.inputs, row * length);
    targets.set(window.targets, row * length);
  });
  const values = await model.logProbabilities(inputs, targets, rows);
  let nats = 0;
  windows.forEach((window, row) => {
    for (let i = window.firstScored; i < window.inputs.length; i++) nats -= values[row * length + i]!;
  });
  return nats;
}
