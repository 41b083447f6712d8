import { expect, test } from 'vitest';
import { listEvents, listMetrics, type MetricRow, readStream, recordMetrics } from '../src/metrics.ts';
import { begin, end, pretraining, publishCheckpoint } from './actors.ts';
import { useDatabase } from './test-database.ts';

const use = useDatabase();
const rows = (from: number, to: number, loss: number): MetricRow[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    step: from + i,
    at: new Date(1_700_000_000_000 + (from + i) * 1000),
    values: { loss },
  }));

/** Attempts that each begin at the last checkpoint: [steps reached, checkpoint written at]. */
async function history(attempts: [reached: number, saved: number | undefined][]): Promise<string> {
  const { run, worker, tokenizer } = await pretraining(use.db);
  for (const [reached, saved] of attempts) {
    const { fence, startStep } = await begin(use.db, run.id, worker);
    const metrics = rows(startStep + 1, reached, fence.epoch);
    await use.db.transaction((tx) => recordMetrics(tx, fence, metrics));
    if (saved !== undefined) await publishCheckpoint(use.db, fence, saved, tokenizer);
    await end(use.db, fence, { kind: 'handed_back' });
  }
  return run.id;
}

test('rewinds leave one continuous curve, each step from the last attempt that reached it', async () => {
  const run = await history([
    [8, 5],
    [7, undefined],
    [9, 6],
    [12, 12],
  ]);
  const { data, total, downsampled } = await listMetrics(use.db, run, {});
  expect(data.map(({ step, epoch, values }) => [step, epoch, values.loss])).toEqual([
    ...[1, 2, 3, 4, 5].map((step) => [step, 1, 1]),
    [6, 3, 3],
    ...[7, 8, 9, 10, 11, 12].map((step) => [step, 4, 4]),
  ]);
  expect([total, downsampled]).toEqual([12, false]);
  const second = await listMetrics(use.db, run, { epoch: 2 });
  expect(second.data.map(({ step }) => step)).toEqual([6, 7]);
});

test('an attempt from the very beginning supersedes all before it', async () => {
  const run = await history([
    [4, undefined],
    [2, undefined],
  ]);
  expect((await listMetrics(use.db, run, {})).data.map(({ step, epoch }) => [step, epoch])).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test('a step that was recorded stays as it was', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  for (const loss of [1, 9])
    await use.db.transaction((tx) => recordMetrics(tx, fence, rows(1, loss === 1 ? 2 : 3, loss)));
  expect((await listMetrics(use.db, run.id, {})).data.map(({ values }) => values.loss)).toEqual([1, 1, 9]);
});

test('down-sampling keeps to its bound, both ends and even steps', async () => {
  const run = await history([[100, undefined]]);
  const steps = async (maxPoints: number) => {
    const { data, total, downsampled } = await listMetrics(use.db, run, { maxPoints });
    expect([total, downsampled]).toEqual([100, maxPoints < 100]);
    return data.map(({ step }) => step);
  };
  expect(await steps(100)).toHaveLength(100);
  expect(await steps(10)).toEqual([1, 12, 23, 34, 45, 56, 67, 78, 89, 100]);
  expect(await steps(2)).toEqual([1, 100]);
  for (const bound of [3, 7, 33, 34, 50, 51, 99]) {
    const kept = await steps(bound);
    expect(kept.length, `at most ${bound}`).toBeLessThanOrEqual(bound);
    expect([kept[0], kept.at(-1)]).toEqual([1, 100]);
  }
});

test('events come in their order, page by page, and a stream passes nothing over', async () => {
  const { run, worker } = await pretraining(use.db);
  const { fence } = await begin(use.db, run.id, worker);
  await use.db.transaction((tx) => recordMetrics(tx, fence, rows(1, 5, 1)));
  await end(use.db, fence, { kind: 'paused' });
  const all = await listEvents(use.db, run.id, 0, 100);
  expect(all.data.map(({ data }) => data.to)).toEqual(['queued', 'starting', 'running', 'queued']);
  const first = await listEvents(use.db, run.id, 0, 3);
  expect(first.has_more).toBe(true);
  const rest = await listEvents(use.db, run.id, first.data.at(-1)!.id, 3);
  expect([...first.data, ...rest.data]).toEqual(all.data);

  const seen: string[] = [];
  let cursor = { event: 0, metric: 0 };
  for (;;) {
    const items = await readStream(use.db, run.id, cursor, 2);
    if (items.length === 0) break;
    for (const item of items)
      seen.push(item.type === 'event' ? `event ${item.cursor.event}` : `metric ${item.cursor.metric}`);
    cursor = items.at(-1)!.cursor;
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.filter((name) => name.startsWith('event'))).toHaveLength(4);
  expect(seen.filter((name) => name.startsWith('metric'))).toHaveLength(5);
});
