import type { BlobStore } from './blob-store.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { Postgres } from './postgres.ts';

/** One pass of `reconcile` (reconcile.ts) in one process; others act wherever it yields. */
export function* reconcile(
  postgres: Postgres,
  queue: DeliveryQueue,
  store: BlobStore,
): Generator<void, void, void> {
  for (const id of postgres.expiredRuns()) {
    yield;
    postgres.recoverExpired(id);
  }
  yield;
  const blocked = postgres.blockedRuns();
  if (blocked.length > 0) {
    yield;
    if (store.room)
      for (const id of blocked) {
        yield;
        postgres.unblockRun(id);
      }
  }
  yield;
  const outbox = [...postgres.outbox];
  if (outbox.length > 0) {
    yield;
    queue.enqueue(outbox);
    yield;
    postgres.forget(outbox);
  }
  yield;
  const deliverable = postgres.deliverableRuns();
  yield;
  queue.enqueue(deliverable);
}
