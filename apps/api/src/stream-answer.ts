import { PassThrough } from 'node:stream';
import type { Completion } from '@trainyard/contracts';
import type { FastifyReply } from 'fastify';
import { type EventStreams, frame } from './event-streams.ts';
import { toProblem, toTrainyardError } from './problem.ts';

/** A signal that fires when the client goes before it has its answer. */
export function whileConnected(reply: FastifyReply): { signal: AbortSignal } {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return { signal: controller.signal };
}

/**
 * Sends what a model writes as it writes it: `data: {"text"}`, at last `data` with the finish reason and the counts.
 * What fails before the first text is an ordinary error; what fails later is `event: error` with the problem.
 */
export async function streamAnswer(
  reply: FastifyReply,
  streams: EventStreams,
  ask: (onText: (text: string) => void) => Promise<Completion>,
): Promise<FastifyReply> {
  const pieces = new PassThrough({ objectMode: true }); // bounded by max_tokens
  const begun = new Promise<void>((resolve) => pieces.once('readable', resolve));
  const answer = ask((text) => pieces.write(frame({ data: { text } })));
  answer.then(
    ({ text: _, ...end }) => pieces.end(frame({ data: end })),
    (error) =>
      pieces.end(frame({ event: 'error', data: toProblem(toTrainyardError(error), reply.request.id) })),
  );
  await Promise.race([begun, answer]);
  return streams.send(reply, async function* () {
    yield* pieces;
  });
}
