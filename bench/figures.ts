import type { Measured } from './contest.ts';
import type { Heat } from './plan.ts';
import type { TokenizerSpec } from './spec.ts';
import { workOf } from './work.ts';

/** Of one process, ours or a peer's; times in seconds. */
interface Timing {
  first: number;
  median: number;
  p10: number;
  p90: number;
  iterations: number;
  peak_bytes: number;
  /** Our speed over each peer's, measured in turn. A peer has none. */
  over: Record<string, number>;
}

export interface ModelFigures extends Timing {
  size: string;
  workload: Heat['spec']['workload'];
  /** Sequences. */
  batch: number;
  /** The peer's is `pytorch`. */
  backend: string;
  engine: string;
  tokens_per_second: number;
  gflops: number;
  /** `gflops` as a share of the machine's fastest matrix product; null where that is not known. */
  share_of_sgemm: number | null;
  /** Nats per token at the end: of the last step, or of the text. */
  loss?: number;
}

export interface TokenizerFigures extends Timing {
  workload: TokenizerSpec['workload'];
  implementation: string;
  megabytes_per_second: number;
  /** Of the vocabulary. */
  entries?: number;
  bytes_per_token?: number;
}

/** `name` of an entrant: a peer's begins with PEER. */
export const PEER = 'pytorch ';
export const TOKENIZERS = 'tokenizers';

export function modelFigures(
  { size, spec }: Heat,
  all: Measured[],
  limit: number | undefined,
): ModelFigures[] {
  return all.map((one) => {
    const { tokens, flops } = workOf(spec);
    const gflops = flops / one.seconds.median / 1e9;
    const peer = one.name.startsWith(PEER);
    return {
      size,
      workload: spec.workload,
      batch: spec.batch,
      backend: peer ? PEER.trim() : spec.backend,
      engine: peer ? one.name.slice(PEER.length) : one.name,
      tokens_per_second: tokens / one.seconds.median,
      gflops,
      share_of_sgemm: limit ? gflops / limit : null,
      ...timing(one, peer ? [] : all.filter(({ name }) => name.startsWith(PEER))),
      ...(one.facts.loss !== undefined && { loss: one.facts.loss }),
    };
  });
}

export function tokenizerFigures(
  workload: TokenizerSpec['workload'],
  bytes: number,
  all: Measured[],
): TokenizerFigures[] {
  return all.map((one) => ({
    workload,
    implementation: one.name,
    megabytes_per_second: bytes / one.seconds.median / 1e6,
    ...timing(one, one.name === TOKENIZERS ? [] : all.filter(({ name }) => name === TOKENIZERS)),
    ...(one.facts.entries !== undefined && { entries: one.facts.entries }),
    ...(one.facts.tokens !== undefined && { bytes_per_token: bytes / one.facts.tokens }),
  }));
}

function timing({ first, seconds, iterations, peakBytes }: Measured, peers: Measured[]): Timing {
  const over = peers.map(({ name, seconds: theirs }) => [name, theirs.median / seconds.median]);
  return { first, ...seconds, iterations, peak_bytes: peakBytes, over: Object.fromEntries(over) };
}
