import type { ModelConfig } from '@trainyard/engine';
import type { EngineName } from './engines.ts';
import type { Backend } from './options.ts';

/** What one measuring process does, ours or a peer's, again and again. */
export type Spec = ModelSpec | TokenizerSpec;

export interface ModelSpec {
  workload: 'train' | 'forward' | 'generate';
  backend: Backend;
  engine: EngineName;
  threads: number;
  seed: number;
  model: ModelConfig;
  /** Sequences. */
  batch: number;
  promptLength: number;
  newTokens: number;
}

export interface TokenizerSpec {
  workload: 'tokenizer_train' | 'tokenizer_encode';
  vocabSize: number;
  /** A JSON array of texts. */
  documentsFile: string;
  /** Our trained tokenizer.json: written by our process before the peer's starts, which reads it. */
  tokenizerFile: string;
}

/** A process' first line: its set-up is done, and two iterations. */
export interface Ready {
  /** The first iteration, with all that happens only once: tracing, compiling, filling caches. */
  firstSeconds: number;
  warmSeconds: number;
}

/** Asks for iterations until `seconds` have gone by, or `iterations` are done. */
export interface Turn {
  seconds: number;
  iterations: number;
}

/** What a process found by the way: the last loss, the number of tokens. */
export type Facts = Record<string, number>;

/** A process' last line, once its input has ended. */
export interface Ended {
  /** Highest resident set of the process. */
  peakBytes: number;
  facts: Facts;
}

/** Something to measure. */
export interface Workload {
  iterate(): Promise<void>;
  facts(): Facts;
}
