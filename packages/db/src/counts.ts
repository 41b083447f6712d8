import type { Database } from './client.ts';

/** Runs by stage and state, for gauges. */
export async function countRuns(db: Database): Promise<{ stage: string; state: string; count: number }[]> {
  const rows = await db.client.run.groupBy({ by: ['stage', 'state'], _count: true });
  return rows.map((row) => ({ stage: row.stage, state: row.state, count: row._count }));
}

/** Recent throughput of a stage in FLOP/s is not kept; tokens per second of its last finished runs is. */
export async function recentTokensPerSecond(db: Database, stage: string): Promise<number | null> {
  const rows = await db.client.$queryRaw<{ rate: number | null }[]>`
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY rate) AS rate FROM (
      SELECT (progress->>'tokens_per_second')::float AS rate FROM runs
      WHERE stage = ${stage} AND state = 'succeeded' AND progress->>'tokens_per_second' IS NOT NULL
      ORDER BY id DESC LIMIT 20) recent`;
  return rows[0]?.rate ?? null;
}

/** Answers once the database does. */
export async function pingDatabase(db: Database): Promise<void> {
  await db.client.$queryRaw`SELECT 1`;
}
