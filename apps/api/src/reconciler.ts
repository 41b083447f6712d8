import { type Database, type Delivery, reconcile } from '@trainyard/db';
import type { FastifyBaseLogger } from 'fastify';

export interface Reconciler {
  /** Resolves once the pass under way has ended; none begins after that. */
  stop(): Promise<void>;
}

/** Reconciles again and again, `seconds` after the end of the pass before, so that two never overlap here. */
export function startReconciler(
  db: Database,
  deliver: (deliveries: Delivery[]) => Promise<void>,
  seconds: number,
  logger: FastifyBaseLogger,
): Reconciler {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    try {
      await reconcile(db, deliver);
    } catch (error) {
      logger.error({ err: error }, 'reconciling failed; it is tried again');
    }
    if (!stopped) timer = setTimeout(begin, seconds * 1000);
  };
  const begin = (): void => {
    pass = run();
  };
  begin();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return pass;
    },
  };
}
