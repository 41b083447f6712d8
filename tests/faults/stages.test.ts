import { setTimeout as sleep } from 'node:timers/promises';
import { getRun, listAttempts } from '@trainyard/db';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { productOf } from '../product-of.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { holderOf } from './holder-of.ts';
import { type Expected, readLedger, ZEROS } from './ledger.ts';
import { KINDS, type Materials, prepareMaterials, requestsOf } from './recipe.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 300; // so many that a kill comes before the end on a busy machine
const ROLLOUT_STEPS = 30;

let cluster: Cluster;
let materials: Materials;
const expected: Expected[] = [];

beforeAll(async () => {
  cluster = await startCluster({ workers: 2 });
  await Promise.all(cluster.workers.map((worker) => worker.start()));
  materials = await prepareMaterials(cluster);
}, MINUTES);
afterAll(() => cluster?.stop(), MINUTES);

test.each(KINDS)(
  'a trainer that is killed in the middle of %s: the run ends as if it had not been',
  async (kind) => {
    const request = requestsOf(materials, kind === 'grpo' ? ROLLOUT_STEPS : STEPS)[kind];
    const [id, reference] = [await cluster.submit(request), await cluster.submit(request)];
    const hasSteps = kind !== 'tokenizer' && kind !== 'eval';
    await cluster.until(id, (run) => (hasSteps ? run.checkpoint_id !== null : run.state === 'running'));
    await sleep(30); // somewhere in the steps that follow
    const [trainer] = await (await holderOf(cluster, id)).trainers();
    process.kill(trainer!, 'SIGKILL');
    const product = await productOf(cluster, await cluster.finished(reference));
    expected.push({ id: reference }, { id, product });
    expect(await productOf(cluster, await cluster.finished(id))).toEqual(product);
    const attempts = await listAttempts(cluster.db, id);
    expect(attempts).toMatchObject([
      { outcome: 'crashed', error: { code: 'trainer_died', evidence: { signal: 'SIGKILL' } } },
      { outcome: 'succeeded' },
    ]);
    expect(attempts[1]!.start_step > 0).toBe(hasSteps);
    expect((await getRun(cluster.db, reference)).attempts).toBe(1);
  },
  MINUTES,
);

test('the ledger has its zeros', async () => {
  expect(expected).toHaveLength(2 * KINDS.length);
  expect(await readLedger(cluster, expected)).toEqual(ZEROS);
});
