import { type Database, type Delivery, drainOutbox } from '@trainyard/db';
import type { FastifyBaseLogger } from 'fastify';

type Deliver = (deliveries: Delivery[]) => Promise<void>;

/**
 * Empties the outbox into the queue after a change, without making anybody wait: one round at a time, and another one
 * for what was asked meanwhile. A failure is only logged, since the reconciler does the same again.
 */
export function createKick(db: Database, deliver: Deliver, logger: FastifyBaseLogger) {
  let rounds = 0;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (; rounds > 0; ) {
      rounds = 0;
      await drainOutbox(db, deliver).catch((error) =>
        logger.warn({ err: error }, 'the queue took no deliveries; they wait in the outbox'),
      );
    }
    running = undefined;
  };
  return {
    kick(): void {
      rounds++;
      running ??= run();
    },
    /** Waits for the round under way. */
    settled: async (): Promise<void> => running,
  };
}
