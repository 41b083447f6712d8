import { expiredRuns, recoverExpired } from './attempts.ts';
import type { Database } from './client.ts';
import { forgetIdempotency } from './idempotency.ts';
import { type Delivery, deliverableRuns, drainOutbox } from './outbox.ts';
import { settlePipeline } from './pipelines.ts';

/**
 * Makes what is so into what should be, whatever went wrong before: runs of dead workers back into the queue, pipelines
 * moved on, and every deliverable run in the queue, which is idempotent. Level-triggered; several at once are harmless.
 */
export async function reconcile(
  db: Database,
  deliver: (deliveries: Delivery[]) => Promise<void>,
): Promise<void> {
  for (const runId of await expiredRuns(db)) await db.transaction((tx) => recoverExpired(tx, runId));
  const waiting = await db.client.run.findMany({
    where: { state: 'waiting' },
    distinct: ['pipelineId'],
    select: { pipelineId: true },
  });
  for (const pipeline of waiting) await db.transaction((tx) => settlePipeline(tx, pipeline));
  await db.transaction(forgetIdempotency);
  await drainOutbox(db, deliver);
  const deliverable = await deliverableRuns(db);
  if (deliverable.length > 0) await deliver(deliverable);
}
