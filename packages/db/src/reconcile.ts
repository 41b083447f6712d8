import { expiredRuns, recoverExpired } from './attempts.ts';
import type { Database } from './client.ts';
import { forgetIdempotency } from './idempotency.ts';
import { type Delivery, deliverableRuns, drainOutbox } from './outbox.ts';
import { settlePipeline } from './pipelines.ts';
import { blockedRuns, unblockRun } from './runs.ts';

/** What reconciling needs of the world, and where it tells what failed. */
export interface Surroundings {
  /** Puts runs into the queue; a run that is in it already stays there once. */
  deliver: (deliveries: Delivery[]) => Promise<void>;
  /** Bytes that the blob store has room for; undefined where that cannot be known. Rejects while it is out of reach. */
  storageRoom: () => Promise<number | undefined>;
  /** Told of each part that failed; the other parts are done nevertheless. */
  onError: (error: unknown, part: string) => void;
}

/**
 * Makes what is so into what should be, whatever went wrong before: runs of dead workers back into the queue, runs that
 * waited for room in the store too, pipelines moved on, and every deliverable run in the queue, which is idempotent.
 * Level-triggered; several at once are harmless.
 */
export async function reconcile(
  db: Database,
  { deliver, storageRoom, onError }: Surroundings,
): Promise<void> {
  const part = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      onError(error, name);
    }
  };
  await part('expired leases', async () => {
    for (const id of await expiredRuns(db))
      await part(`run ${id}`, () => db.transaction((tx) => recoverExpired(tx, id)));
  });
  await part('blocked runs', async () => {
    const blocked = await blockedRuns(db);
    if (blocked.length === 0) return;
    const room = await storageRoom();
    for (const { id, neededBytes } of blocked)
      if (room === undefined || room >= neededBytes)
        await part(`run ${id}`, () => db.transaction((tx) => unblockRun(tx, id)));
  });
  await part('pipelines', async () => {
    const waiting = await db.client.run.findMany({
      where: { state: 'waiting' },
      distinct: ['pipelineId'],
      select: { pipelineId: true },
    });
    for (const pipeline of waiting)
      await part(`pipeline ${pipeline.pipelineId}`, () =>
        db.transaction((tx) => settlePipeline(tx, pipeline)),
      );
  });
  await part('idempotency records', () => db.transaction(forgetIdempotency));
  await part('deliveries', async () => {
    await drainOutbox(db, deliver);
    const deliverable = await deliverableRuns(db);
    if (deliverable.length > 0) await deliver(deliverable);
  });
}
