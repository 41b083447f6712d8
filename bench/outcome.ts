import type { Failed } from './contest.ts';
import { type ModelFigures, PEER, TOKENIZERS, type TokenizerFigures } from './figures.ts';
import type { Backend } from './options.ts';
import type { LeftOut } from './plan.ts';
import type { Python } from './python.ts';
import type { Sgemm } from './sgemm.ts';

export interface Surroundings {
  /** Of the machine: what both sides are given. */
  threads: number;
  /** With PyTorch, and with `tokenizers`; undefined where there is none, or none is wanted. */
  torch: Python | undefined;
  tokenizers: Python | undefined;
  log: (line: string) => void;
}

export interface Outcome {
  sgemm: Partial<Record<Backend, Sgemm>>;
  models: ModelFigures[];
  tokenizer: TokenizerFigures[];
  leftOut: LeftOut[];
  failed: LeftOut[];
}

/** A peer may not run on every machine (compiling needs a C++ compiler); what is ours must. */
export function addDropped(dropped: Failed[], what: string, { failed, leftOut }: Outcome): void {
  for (const { name, reason } of dropped) {
    const peer = name.startsWith(PEER) || name === TOKENIZERS;
    (peer ? leftOut : failed).push({ what: `${what}, ${name}`, reason });
  }
}
