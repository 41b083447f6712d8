import type { RunEvent, RunMetric, RunMetrics } from '@trainyard/contracts';
import { recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { type Fence, lockFenced } from './fence.ts';
import type { RunEventModel, RunMetricModel } from './generated/models.ts';
import { iso, type Paged } from './rows.ts';

export interface MetricRow {
  step: number;
  at: Date;
  values: Record<string, number>;
}

/** Writes a batch of metrics of the fence's epoch. A step that is there already stays. */
export async function recordMetrics(tx: Tx, fence: Fence, rows: MetricRow[]): Promise<void> {
  await lockFenced(tx, fence);
  const data = rows.map(({ step, at, values }) => ({
    runId: fence.runId,
    epoch: fence.epoch,
    step,
    at,
    values,
  }));
  await tx.runMetric.createMany({ data, skipDuplicates: true });
}

/** Records something worth telling that happened in training (samples written, an example dropped). */
export async function recordTrainerEvent(
  tx: Tx,
  fence: Fence,
  type: string,
  data: Record<string, unknown>,
): Promise<void> {
  await recordEvent(tx, await lockFenced(tx, fence), type, data);
}

const toMetric = (row: Omit<RunMetricModel, 'id' | 'runId'>): RunMetric => ({
  step: row.step,
  epoch: row.epoch,
  at: iso(row.at),
  values: row.values as Record<string, number>,
});

const toEvent = (row: RunEventModel): RunEvent => ({
  id: Number(row.id),
  run_id: row.runId,
  epoch: row.epoch,
  type: row.type,
  data: row.data as Record<string, unknown>,
  at: iso(row.at),
});

/**
 * One continuous curve: a step counts in the last epoch that reached it, since an attempt that starts at step s
 * supersedes what older epochs wrote past s. With `maxPoints` (2 at least) no more than these: every n-th, and the last.
 */
export async function listMetrics(
  db: Database,
  runId: string,
  options: { epoch?: number | undefined; maxPoints?: number | undefined },
): Promise<RunMetrics> {
  const { epoch = null, maxPoints = null } = options;
  const rows = await db.client.$queryRaw<(Omit<RunMetricModel, 'id' | 'runId'> & { total: number })[]>`
    WITH attempts AS (
      SELECT epoch, min(start_step) OVER (ORDER BY epoch DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS rewound_to
      FROM run_attempts WHERE run_id = ${runId}::uuid
    ), curve AS (
      SELECT m.step, m.epoch, m.at, m.values, row_number() OVER (ORDER BY m.step) AS place, count(*) OVER () AS total
      FROM run_metrics m JOIN attempts a USING (epoch)
      WHERE m.run_id = ${runId}::uuid AND CASE WHEN ${epoch}::int IS NULL
        THEN a.rewound_to IS NULL OR m.step <= a.rewound_to
        ELSE m.epoch = ${epoch}::int END
    )
    SELECT step, epoch, at, values, total::int FROM curve
    WHERE ${maxPoints}::int IS NULL OR total <= ${maxPoints}::int OR place = total
      OR (place - 1) % greatest(1, ceil((total - 1) / (${maxPoints}::int - 1.0))::bigint) = 0
    ORDER BY step`;
  const total = rows[0]?.total ?? 0;
  return { data: rows.map(toMetric), total, downsampled: rows.length < total };
}

/** Events of a run in the order in which they happened, after an event's id. */
export async function listEvents(
  db: Database,
  runId: string,
  after: number,
  limit: number,
): Promise<Paged<RunEvent>> {
  const rows = await db.client.runEvent.findMany({
    where: { runId, id: { gt: after } },
    orderBy: { id: 'asc' },
    take: limit + 1,
  });
  return { data: rows.slice(0, limit).map(toEvent), has_more: rows.length > limit };
}

/** A place in a run's stream: the last event and the last metric seen. */
export interface StreamCursor {
  event: number;
  metric: number;
}

/** What a watcher has not seen yet: events and metrics past the cursor, each with the cursor that follows it. */
export async function readStream(
  db: Database,
  runId: string,
  cursor: StreamCursor,
  limit: number,
): Promise<{ type: 'event' | 'metric'; cursor: StreamCursor; data: RunEvent | RunMetric }[]> {
  const [events, metrics] = await Promise.all([
    db.client.runEvent.findMany({
      where: { runId, id: { gt: cursor.event } },
      orderBy: { id: 'asc' },
      take: limit,
    }),
    db.client.runMetric.findMany({
      where: { runId, id: { gt: cursor.metric } },
      orderBy: { id: 'asc' },
      take: limit,
    }),
  ]);
  const items = merge(
    events.map((row) => ({ type: 'event' as const, id: Number(row.id), at: row.at, data: toEvent(row) })),
    metrics.map((row) => ({ type: 'metric' as const, id: Number(row.id), at: row.at, data: toMetric(row) })),
  );
  let here = cursor;
  return items.slice(0, limit).map(({ type, id, data }) => {
    here = { ...here, [type]: id };
    return { type, cursor: here, data };
  });
}

/** Two lists as one by time, each in the order it has: clocks may disagree, and a cursor must pass nothing over. */
function merge<A extends { at: Date }, B extends { at: Date }>(first: A[], second: B[]): (A | B)[] {
  const merged: (A | B)[] = [];
  let i = 0;
  for (const item of second) {
    while (i < first.length && first[i]!.at <= item.at) merged.push(first[i++]!);
    merged.push(item);
  }
  return [...merged, ...first.slice(i)];
}
