import { setTimeout as sleep } from 'node:timers/promises';
import { FINAL_STATES } from '@trainyard/contracts';
import { productOf } from '../product-of.ts';
import type { Cluster, RunRequest } from './cluster.ts';
import type { Expected } from './ledger.ts';
import { type Kind, prepareMaterials, requestsOf } from './recipe.ts';
import { pickFrom, seededRandom } from './seeded-random.ts';

/** Runs of many kinds, always some of them under way. */
export interface Workload {
  expected: Expected[];
  kinds: Record<string, number>;
  /** Submits until told to stop. */
  feed(signal: AbortSignal): Promise<void>;
  /** Waits until all that was accepted has ended. */
  ended(patience: number): Promise<void>;
}

const POLL = 200; // ms

/** Makes the materials and one uninterrupted run of each kind; workers must be there. */
export async function prepareWorkload(
  cluster: Cluster,
  kinds: readonly Kind[],
  steps: number,
  seed: number,
  underWay: number,
): Promise<Workload> {
  const random = seededRandom(seed);
  const requests = requestsOf(await prepareMaterials(cluster), steps);
  const expected: Expected[] = [];
  const counts: Record<string, number> = {};
  const references = await Promise.all(kinds.map((kind) => cluster.submit(requests[kind])));
  const products = new Map<Kind, string[]>();
  for (const [i, kind] of kinds.entries()) {
    products.set(kind, await productOf(cluster, await cluster.finished(references[i]!)));
    expected.push({ id: references[i]! });
  }

  const unfinished = async () =>
    (await cluster.db.client.run.count({ where: { state: { notIn: [...FINAL_STATES] } } })) as number;

  async function submit(): Promise<void> {
    const kind = pickFrom(random, kinds);
    const request: RunRequest = requests[kind];
    const id = await cluster.submit(request);
    expected.push({ id, product: products.get(kind)! });
    counts[kind] = (counts[kind] ?? 0) + 1;
  }

  return {
    expected,
    kinds: counts,
    async feed(signal) {
      while (!signal.aborted) {
        const enough = await unfinished().then(
          (count) => count >= underWay,
          () => true, // Postgres is away
        );
        if (enough) await sleep(POLL, undefined, { signal }).catch(() => {});
        else await submit();
      }
    },
    async ended(patience) {
      for (const deadline = performance.now() + patience; (await unfinished()) > 0; await sleep(POLL))
        if (performance.now() > deadline) return; // the ledger tells which are lost
    },
  };
}
