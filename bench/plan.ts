import type { Backend, Options } from './options.ts';
import { SIZES, type SizeName } from './sizes.ts';
import type { ModelSpec } from './spec.ts';
import { workOf } from './work.ts';

/** What is measured in one contest: a row of the table for each engine and each peer. */
export interface Heat {
  size: SizeName;
  spec: Omit<ModelSpec, 'engine'>;
}

export interface LeftOut {
  what: string;
  reason: string;
}

const SEED = 1;
/** Sequences at once in generation. */
const GENERATED = [1, 16];
/** What would take longer than this for one iteration, were it nothing but matrix products, is left out: seconds. */
const LONGEST_ITERATION = 15;

/** All that the options ask for, without what `limits` (GFLOP/s of each backend's matrix product) make too long. */
export function plan(
  options: Options,
  threads: number,
  limits: ReadonlyMap<Backend, number>,
): { heats: Heat[]; leftOut: LeftOut[] } {
  const heats: Heat[] = [];
  const leftOut: LeftOut[] = [];
  for (const heat of everyHeat(options, threads)) {
    const limit = limits.get(heat.spec.backend);
    if (limit === undefined) continue;
    const least = workOf(heat.spec).flops / limit / 1e9;
    if (least <= LONGEST_ITERATION) heats.push(heat);
    else
      leftOut.push({
        what: nameOf(heat),
        reason: `one iteration takes ${Math.round(least)} s at least, at this backend's ${limit.toFixed(1)} GFLOP/s`,
      });
  }
  return { heats, leftOut };
}

export function nameOf({ size, spec: { workload, batch, backend } }: Heat): string {
  return `${size} ${workloadName(workload, batch)} on ${backend}`;
}

export function workloadName(workload: ModelSpec['workload'], batch: number): string {
  return workload === 'generate' ? `generate x${batch}` : workload;
}

function* everyHeat({ backends, sizes, only }: Options, threads: number): Generator<Heat> {
  for (const backend of backends)
    for (const size of sizes)
      for (const workload of ['train', 'forward', 'generate'] as const) {
        if (!only.includes(workload)) continue;
        const batches = workload === 'generate' ? GENERATED : [SIZES[size].batch];
        for (const batch of batches)
          yield { size, spec: { ...SIZES[size], workload, backend, threads, seed: SEED, batch } };
      }
}
