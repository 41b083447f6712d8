import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';
import { expect, test } from 'vitest';
import { setTags } from '../src/checkpoints.ts';
import { addDatasetVersion } from '../src/datasets.ts';
import { begin, content, pretraining, publishCheckpoint } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const TIMES = 20;

/** How many queries of each kind Prisma keeps a plan for, as the heap tells. */
async function countPlans(): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-heap-'));
  const { strings } = JSON.parse(
    await readFile(writeHeapSnapshot(join(folder, 'of.heapsnapshot')), 'utf8'),
  ) as { strings: string[] };
  await rm(folder, { recursive: true });
  const counts: Record<string, number> = {};
  for (const text of strings) {
    const [, model, action] = /^\{"modelName":"(\w+)","action":"(\w+)"/.exec(text) ?? [];
    if (model) counts[`${model}.${action}`] = (counts[`${model}.${action}`] ?? 0) + 1;
  }
  return counts;
}

test('what is written again and again with other values is one query to Prisma, not one each', async () => {
  const { run, worker, tokenizer } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  const { datasetId } = await use.db.client.datasetVersion.findFirstOrThrow();
  for (let i = 1; i <= TIMES; i += 1) {
    const blobs = ['a', 'b'].map((letter) => String(i).padStart(64, letter));
    const id = await publishCheckpoint(use.db, fence, i, tokenizer, { blobs });
    await use.db.transaction((tx) => setTags(tx, id, [`tag-${i}`]));
    await use.db.transaction((tx) =>
      addDatasetVersion(tx, datasetId, content(String(i)), { heldOutFraction: 0.1 }),
    );
  }
  const plans = await countPlans();
  expect(plans['Checkpoint.createOne']).toBeGreaterThan(0);
  for (const [query, count] of Object.entries(plans)) expect(count, query).toBeLessThan(TIMES / 2);
});
