import { DELIVERABLE_STATES } from '@trainyard/contracts';
import type { Database } from './client.ts';

export interface Delivery {
  runId: string;
  stage: string;
  epoch: number;
}

/**
 * Hands what waits in the outbox to `deliver`, then removes it. A crash in between delivers twice, which is harmless:
 * a delivery carries ids, and claiming decides. Returns how many were delivered.
 */
export async function drainOutbox(
  db: Database,
  deliver: (deliveries: Delivery[]) => Promise<void>,
): Promise<number> {
  const rows = await db.client.outbox.findMany({ orderBy: { id: 'asc' }, take: 500 });
  if (rows.length === 0) return 0;
  await deliver(rows.map(({ runId, stage, epoch }) => ({ runId, stage, epoch })));
  await db.client.outbox.deleteMany({ where: { id: { in: rows.map((row) => row.id) } } });
  return rows.length;
}

/**
 * The runs that should be in the queue, for a reconciler that does not trust the queue to remember: of each stage the
 * `most` oldest, so that a long queue costs no more. Those behind them follow as these are claimed.
 */
export async function deliverableRuns(db: Database, most = 200): Promise<Delivery[]> {
  return await db.client.$queryRaw<Delivery[]>`
    SELECT id AS "runId", stage, epoch
    FROM (SELECT id, stage, epoch, row_number() OVER (PARTITION BY stage ORDER BY id) AS place
      FROM runs WHERE state = ANY(${[...DELIVERABLE_STATES]})) AS deliverable
    WHERE place <= ${most} ORDER BY id`;
}
