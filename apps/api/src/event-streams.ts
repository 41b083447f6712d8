import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';

/** A reader that takes nothing for so long is dropped; heartbeats keep a quiet stream's reader from being one. */
const STALLED_MS = 120_000;
const CLOSE_MS = 1000;

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A source is asked for more
 * only when its reader has taken what came before, so that a slow reader costs a buffer of some KiB and no more.
 */
export class EventStreams {
  readonly #open = new Map<Readable, AbortController>();
  #closed = false;

  /** Answers with what `source` yields. Its signal fires once the reader is gone or the server stops. */
  send(reply: FastifyReply, source: (signal: AbortSignal) => AsyncIterable<string>): FastifyReply {
    const controller = new AbortController();
    if (this.#closed) controller.abort();
    const stream = Readable.from(source(controller.signal), { objectMode: false, highWaterMark: 16_384 });
    this.#open.set(stream, controller);
    stream.once('close', () => {
      controller.abort();
      this.#open.delete(stream);
    });
    reply.raw.setTimeout(STALLED_MS, () =>
      stream.destroy(new Error('the reader of an event stream stalled')),
    );
    return reply
      .type('text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(stream);
  }

  /** Lets every source say goodbye; drops the readers that do not take it within a second. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const controller of this.#open.values()) controller.abort();
    for (let waited = 0; this.#open.size > 0 && waited < CLOSE_MS; waited += 20) await sleep(20);
    for (const stream of this.#open.keys()) stream.destroy();
  }
}

/** One event; `id` is what a reader sends as `Last-Event-ID` to go on after it. */
export function frame(event: { data: unknown; event?: string; id?: string }): string {
  const lines = [
    ...(event.id === undefined ? [] : [`id: ${event.id}`]),
    ...(event.event === undefined ? [] : [`event: ${event.event}`]),
    `data: ${JSON.stringify(event.data)}`,
  ];
  return `${lines.join('\n')}\n\n`;
}
