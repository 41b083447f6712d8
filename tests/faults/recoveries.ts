import type { Cluster } from './cluster.ts';
import type { Happened } from './random-faults.ts';

interface Times {
  count: number;
  p50: number;
  p99: number;
}

export interface Recoveries {
  /** Seconds. */
  recoveries: Record<string, Times>;
  /** Of the time that runs were in hand, from a claim to the attempt's end or to the next claim. */
  shareOfTimeThatCounted: number;
}

/** How long things took after the faults, from the rows that tell. `begun`: only runs that were submitted since. */
export async function measureRecoveries(
  { db }: Cluster,
  happened: readonly Happened[],
  begun: number,
): Promise<Recoveries> {
  const noticed: number[] = [];
  const again: Record<string, number[]> = { 'worker killed': [], 'trainer killed': [] };
  for (const { kind, at, runs } of happened)
    for (const { runId, epoch } of again[kind] ? runs : []) {
      const attempt = await db.client.runAttempt.findUnique({ where: { runId_epoch: { runId, epoch } } });
      if (!attempt?.endedAt || !['lost', 'crashed'].includes(attempt.outcome ?? '')) continue;
      if (kind === 'worker killed') noticed.push((attempt.endedAt.getTime() - at) / 1000);
      const started = await db.client.runEvent.findFirst({
        where: { runId, epoch: epoch + 1, type: 'state', data: { path: ['event'], equals: 'start' } },
      });
      if (started) again[kind]!.push((started.at.getTime() - at) / 1000);
    }
  const recoveries: Record<string, Times> = { 'dead worker noticed': timesOf(noticed) };
  for (const [kind, times] of Object.entries(again)) recoveries[`training again: ${kind}`] = timesOf(times);
  for (const server of ['Redis', 'Postgres']) {
    const times: number[] = [];
    for (const { until } of happened.filter(({ kind }) => kind.startsWith(`${server} killed`))) {
      const moved = await db.client.runEvent.findFirst({
        where: { at: { gt: new Date(until) } },
        orderBy: { at: 'asc' },
      });
      if (moved) times.push((moved.at.getTime() - until) / 1000);
    }
    recoveries[`first event after ${server} is back`] = timesOf(times);
  }
  return { recoveries, shareOfTimeThatCounted: await shareThatCounted(db, begun) };
}

/**
 * A step's time is that since the step before it in the same attempt; those that a later attempt made again do not
 * count, and neither do loading, compiling, and waiting for a worker after a fault. What the first attempt needs before
 * its first step is left out: no fault costs that.
 */
async function shareThatCounted(db: Cluster['db'], begun: number): Promise<number> {
  const [row] = await db.client.$queryRaw<{ counted: number | null; all: number | null }[]>`
    WITH own AS (SELECT id FROM runs WHERE created_at > ${new Date(begun)} AND state = 'succeeded'),
    timed AS (
      SELECT m.run_id, m.epoch, m.step, m.at,
        extract(epoch FROM m.at - lag(m.at) OVER (PARTITION BY m.run_id, m.epoch ORDER BY m.step)) AS took
      FROM run_metrics m JOIN own ON own.id = m.run_id
    ), lives AS (SELECT run_id, extract(epoch FROM max(at) - min(at)) AS seconds FROM timed GROUP BY run_id)
    SELECT (SELECT sum(took)::float8 FROM timed t WHERE NOT EXISTS (SELECT 1 FROM run_attempts a
        WHERE a.run_id = t.run_id AND a.epoch > t.epoch AND a.start_step < t.step)) AS counted,
      (SELECT sum(seconds)::float8 FROM lives) AS all`;
  return (row!.counted ?? 0) / (row!.all ?? 1);
}

function timesOf(seconds: number[]): Times {
  const sorted = seconds.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}
