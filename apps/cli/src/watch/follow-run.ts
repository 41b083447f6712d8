import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isFinal, type Run, type StreamItem, TrainyardError } from '@trainyard/contracts';

const RETRY_MS = 1000;
/** How long the API may be away before watching gives up. */
const PATIENCE_MS = 60_000;

export type Followed =
  | { type: 'run'; run: Run }
  | { type: 'item'; item: StreamItem }
  | { type: 'disconnected'; reason: string };

type RunNow = Pick<Run, 'state' | 'progress'>;

/**
 * A run from its beginning until it is final: first the run, then its metrics and events as they come, the run again
 * whenever its state or progress changed, at last the final run. A lost connection is taken up again after the last
 * item that came. Throws `unavailable` once the API was away for a minute.
 */
export async function* followRun(client: Client, id: string, now: () => number): AsyncGenerator<Followed> {
  let run = await client.runs.get(id);
  yield { type: 'run', run };
  let cursor: string | undefined;
  let heard = now();
  for (;;) {
    try {
      for await (const item of client.runs.stream(id, cursor ? { cursor } : {})) {
        heard = now();
        if (item.cursor) cursor = item.cursor;
        const change = runNow(item);
        if (change) run = { ...run, ...change };
        yield change ? { type: 'run', run } : { type: 'item', item };
      }
      run = await client.runs.get(id);
      if (isFinal(run.state)) return yield { type: 'run', run };
    } catch (error) {
      if (error instanceof TrainyardError && error.code !== 'unavailable') throw error;
      if (now() - heard > PATIENCE_MS) throw error;
      yield { type: 'disconnected', reason: (error as Error).message };
    }
    await sleep(RETRY_MS);
  }
}

/** What the stream says about the run as a whole, besides its events. */
function runNow(item: StreamItem): RunNow | undefined {
  const data = item.data as Partial<RunNow>;
  return item.type === 'event' && data.progress !== undefined && data.state ? (data as RunNow) : undefined;
}
