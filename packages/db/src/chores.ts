import type { Database } from './client.ts';
import { reconcile, type Surroundings } from './reconcile.ts';

/**
 * Whether the caller is to do `name` now: one process in `seconds`, by Postgres' clock, however many ask. One that dies
 * over it is followed by another an interval later.
 */
export async function beginChore(db: Database, name: string, seconds: number): Promise<boolean> {
  const begun = await db.client.$executeRaw`
    INSERT INTO chores (name, begun_at) VALUES (${name}, now())
    ON CONFLICT (name) DO UPDATE SET begun_at = now()
    WHERE chores.begun_at <= now() - ${seconds} * interval '1 second'`;
  return begun > 0;
}

export interface Repeated {
  /** Resolves once the turn under way has ended; none begins after that. */
  stop(): Promise<void>;
}

/** Does `work` at once and again `seconds` after the end of the turn before, whatever becomes of a turn. */
export function repeat(
  seconds: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Repeated {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  const begin = (): void => {
    turn = work()
      .catch(onError)
      .then(() => {
        if (!stopped) timer = setTimeout(begin, seconds * 1000);
      });
  };
  begin();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return turn;
    },
  };
}

/** Reconciles every `seconds`, in turn with every other process of the installation that does the same. */
export const startReconciler = (db: Database, surroundings: Surroundings, seconds: number): Repeated =>
  repeat(
    seconds,
    async () => {
      if (await beginChore(db, 'reconcile', seconds)) await reconcile(db, surroundings);
    },
    (error) => surroundings.onError(error, 'the turn'),
  );
