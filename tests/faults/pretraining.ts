import type { Run } from '@trainyard/contracts';
import { expect } from 'vitest';
import { productOf } from '../product-of.ts';
import type { Cluster, RunRequest } from './cluster.ts';
import { type Expected, readLedger, ZEROS } from './ledger.ts';
import { prepareTokenizer, requestsOf } from './recipe.ts';

/** A run to be interrupted, and what it makes when nobody interrupts it. */
export interface Pretraining {
  request: RunRequest;
  product: string[];
  submit(own?: Partial<RunRequest>): Promise<string>;
  /** In the middle, with a checkpoint to go on from. */
  midway(id: string): Promise<Run>;
  /** The run has ended as if it had not been interrupted. */
  ended(id: string): Promise<Run>;
  /** Another run for the ledger. */
  expect(run: Expected): void;
  /** Every run of `submit` has: no step is lost or doubled, no stale write accepted, no damaged checkpoint loaded. */
  checkLedger(): Promise<void>;
}

/** Makes the data and the uninterrupted run; a worker must be there. */
export async function preparePretraining(cluster: Cluster, steps: number): Promise<Pretraining> {
  const tokenizer = await prepareTokenizer(cluster);
  const { pretrain: request } = requestsOf({ tokenizer, base: '', assistant: '' }, steps);
  const reference = await cluster.finished(await cluster.submit(request));
  const product = await productOf(cluster, reference);
  const expected: Expected[] = [{ id: reference.id }];
  return {
    request,
    product,
    expect: (run) => void expected.push(run),
    async submit(own = {}) {
      const id = await cluster.submit({ ...request, ...own });
      expected.push({ id, product });
      return id;
    },
    midway: (id) => cluster.until(id, ({ checkpoint_id }) => checkpoint_id !== null),
    async ended(id) {
      const run = await cluster.finished(id);
      expect(await productOf(cluster, run)).toEqual(product);
      return run;
    },
    async checkLedger() {
      expect(await readLedger(cluster, expected)).toEqual(ZEROS);
    },
  };
}
