import { setTimeout as sleep } from 'node:timers/promises';
import { isFinal, type Run, type RunEvent, TrainyardError } from '@trainyard/contracts';
import { type Database, getRun, readStream, type StreamCursor } from '@trainyard/db';
import { frame } from './event-streams.ts';

const POLL_MS = 500;
const HEARTBEAT_MS = 15_000;
const BATCH = 500;

/** `<event>.<metric>`, the ids of the last ones seen. Throws `invalid_request` for anything else. */
export function parseCursor(lastEventId: string | undefined): StreamCursor {
  if (lastEventId === undefined || lastEventId === '') return { event: 0, metric: 0 };
  const [, event, metric] = /^(\d{1,15})\.(\d{1,15})$/.exec(lastEventId) ?? [];
  if (event === undefined || metric === undefined)
    throw new TrainyardError(
      'invalid_request',
      'Last-Event-ID must be an id of this stream, such as 12.340.',
      {
        param: 'Last-Event-ID',
      },
    );
  return { event: Number(event), metric: Number(metric) };
}

/**
 * A run as it goes on, from a cursor: its events under their own names, `metric` for each step, `progress` (no id)
 * whenever state or progress changed, and `end` once it is final and everything was sent.
 */
export async function* runStream(
  db: Database,
  runId: string,
  from: StreamCursor,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield 'retry: 2000\n\n';
  let cursor = from;
  let shown = '';
  let spoke = performance.now();
  while (!signal.aborted) {
    const run = await getRun(db, runId); // before the events, so that a final state has all of them
    for (let more = true; more && !signal.aborted; ) {
      const items = await readStream(db, runId, cursor, BATCH);
      for (const item of items) {
        cursor = item.cursor;
        const event = item.type === 'metric' ? 'metric' : (item.data as RunEvent).type;
        yield frame({ id: `${cursor.event}.${cursor.metric}`, event, data: item.data });
        spoke = performance.now();
      }
      more = items.length === BATCH;
    }
    const progress = describe(run);
    if (progress !== shown) yield progress;
    shown = progress;
    if (isFinal(run.state) && !signal.aborted)
      return yield frame({ event: 'end', data: { state: run.state } });
    if (performance.now() - spoke > HEARTBEAT_MS) {
      yield ': still here\n\n';
      spoke = performance.now();
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
  yield 'retry: 1000\n: the server is stopping; reconnect with Last-Event-ID\n\n';
}

const describe = ({ state, progress }: Run): string =>
  frame({ event: 'progress', data: { state, progress } });
