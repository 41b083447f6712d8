import { pauseRun, resumeRun } from '@trainyard/db';
import { decodeSafetensors, encodeSafetensors, readCheckpoint, writeCheckpoint } from '@trainyard/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { productOf } from '../product-of.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { flipBit } from './damage.ts';
import { preload } from './preload.ts';
import { type Pretraining, preparePretraining } from './pretraining.ts';
import type { SmallDisk } from './small-disk.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 150;
const MOVES_AGAIN = 30_000; // ms
const LOST_STEP = 25;

let cluster: Cluster;
let disk: SmallDisk;
let pretraining: Pretraining;

beforeAll(async () => {
  cluster = await startCluster({ diskBytes: 64 * 2 ** 20 });
  disk = cluster.disk!;
  await cluster.workers[0]!.start();
  pretraining = await preparePretraining(cluster, STEPS);
}, MINUTES);
afterAll(() => cluster?.stop(), MINUTES);

/** A run that is paused in the middle, with its checkpoints, the furthest first. */
async function pausedMidway() {
  const id = await cluster.submit(pretraining.request);
  await pretraining.midway(id);
  await cluster.db.transaction((tx) => pauseRun(tx, id));
  await cluster.until(id, ({ state }) => state === 'paused');
  const checkpoints = await cluster.db.client.checkpoint.findMany({
    where: { runId: id },
    orderBy: { step: 'desc' },
  });
  return { id, checkpoints };
}
const resume = (id: string) => cluster.db.transaction((tx) => resumeRun(tx, id));
const eventsOf = async (runId: string, type: string) =>
  (await cluster.db.client.runEvent.findMany({ where: { runId, type } })).map(({ data }) => data);

test(
  'a run whose latest checkpoint was damaged goes on from the one before, and ends as if it had not been',
  async () => {
    const { id, checkpoints } = await pausedMidway();
    const [latest, before] = checkpoints;
    const { manifest } = await readCheckpoint(cluster.blobs, latest!.manifestSha256);
    await flipBit(cluster.blobs.path!(manifest.files[1]!.sha256), 1000, 3);
    await resume(id);
    await pretraining.ended(id);
    expect(await eventsOf(id, 'checkpoint_damaged')).toMatchObject([
      { checkpoint_id: latest!.id, goes_on_from: before?.id ?? null },
    ]);
    const row = await cluster.db.client.checkpoint.findUniqueOrThrow({ where: { id: latest!.id } });
    expect(row.damagedAt).not.toBeNull();
  },
  MINUTES,
);

test(
  'weights without the optimizer that made them end elsewhere: equal products are no accident',
  async () => {
    const { id, checkpoints } = await pausedMidway();
    const [latest] = checkpoints;
    const { manifest, file } = await readCheckpoint(cluster.blobs, latest!.manifestSha256);
    const { tensors } = decodeSafetensors(await file('optimizer.safetensors'));
    for (const { data } of Object.values(tensors)) data.fill(0 as never);
    const cold = await writeCheckpoint(cluster.blobs, {
      ...manifest,
      files: {
        'model.safetensors': await file('model.safetensors'),
        'optimizer.safetensors': encodeSafetensors(tensors),
      },
    });
    await cluster.db.client.checkpoint.update({
      where: { id: latest!.id },
      data: { manifestSha256: cold.manifest.sha256 },
    });
    await resume(id);
    const product = await productOf(cluster, await cluster.finished(id));
    const [same, ...others] = pretraining.product;
    expect(product[0]).toBe(same);
    expect(product.slice(1)).toHaveLength(others.length);
    for (const line of product.slice(1)) expect(others).not.toContain(line);
  },
  MINUTES,
);

test(
  'a run whose disk is full waits with its checkpoints intact, and goes on by itself when there is room',
  async () => {
    const id = await pretraining.submit();
    await pretraining.midway(id);
    await disk.fill();
    const blocked = await cluster.until(id, ({ state }) => state === 'blocked_storage');
    expect(blocked).toMatchObject({ error: { code: 'storage_full' }, worker_id: null });
    const other = await pretraining.submit();
    await cluster.until(other, ({ state }) => state === 'blocked_storage');
    await disk.makeRoom();
    await cluster.until(id, ({ state }) => state !== 'blocked_storage', MOVES_AGAIN);
    await pretraining.ended(id);
    await pretraining.ended(other);
    expect(await eventsOf(id, 'checkpoint_damaged')).toEqual([]);
  },
  MINUTES,
);

/** In the worker's trainers, the loss of this step's second micro batch is not a number. */
async function loseNumbers(reading: number): Promise<void> {
  const [worker] = cluster.workers;
  await worker!.stop();
  worker!.environment = reading
    ? { ...disk.environment, NODE_OPTIONS: preload('lose-numbers'), LOST_READING: String(reading) }
    : disk.environment;
  await worker!.start();
}
const withAnswer = (non_finite_loss: 'fail' | 'rewind') => {
  const { optimization, ...config } = pretraining.request.config as { optimization: object };
  return {
    ...pretraining.request,
    config: { ...config, optimization: { ...optimization, non_finite_loss } },
  };
};

test(
  'a loss that is not a number fails the run, or is passed over where the run says so',
  async () => {
    await loseNumbers(2 * LOST_STEP);
    const failed = await cluster.submit(withAnswer('fail'));
    const run = await cluster.until(failed, ({ state }) => state === 'failed');
    expect(run).toMatchObject({ termination_reason: 'user_error', error: { code: 'non_finite_loss' } });
    const checkpoints = await cluster.db.client.checkpoint.findMany({ where: { runId: failed } });
    expect(Math.max(...checkpoints.map(({ step }) => step))).toBeLessThan(LOST_STEP);
    const products = [];
    for (let i = 0; i < 2; i += 1) {
      const id = await cluster.submit(withAnswer('rewind'));
      pretraining.expect({ id });
      products.push(await productOf(cluster, await cluster.finished(id)));
      expect(await eventsOf(id, 'rewound')).toEqual([{ skipped_step: LOST_STEP }]);
    }
    expect(products[1]).toEqual(products[0]);
    expect(products[0]).not.toEqual(pretraining.product);
    await loseNumbers(0);
  },
  MINUTES,
);

test('the ledger has its zeros', () => pretraining.checkLedger(), MINUTES);
