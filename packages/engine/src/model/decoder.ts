import type { Parameters } from './parameters.ts';

/** [B,V] after each sequence's last token; rows past the batch asked for are of no meaning. */
export type Scores = Float32Array;

/** Writes sequences token by token with cached keys and values. */
export interface Decoder {
  /** Takes these weights from now on; the caller keeps the tensors. */
  load(params: Parameters): void;
  /** Begins a batch with these prompts, each to grow by up to `room` tokens. */
  start(prompts: readonly Int32Array[], room: number): Promise<Scores>;
  /** Appends one token to each sequence. */
  extend(tokens: Int32Array): Promise<Scores>;
  /** Goes on with these sequences alone, by index; left out where a batch keeps its size. */
  keep?(sequences: number[]): void;
  /** Ends the batch. */
  end(): void;
  dispose(): void;
}
