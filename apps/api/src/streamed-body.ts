import type { IncomingMessage } from 'node:http';
import { TrainyardError } from '@trainyard/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** What a client still sends of an upload that was refused is passed over for so long, so that it reads the refusal. */
const LINGER_MS = 2000;

/** Lets the routes of a scope take bodies of these types as streams, and no others. */
export function acceptStreams(scoped: FastifyInstance, types: string[]): void {
  scoped.removeAllContentTypeParsers();
  scoped.addContentTypeParser(types, async (_request: unknown, body: IncomingMessage) => body);
  scoped.addHook('onResponse', async ({ raw }) => {
    if (raw.complete !== false) return;
    raw.resume();
    setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS).unref();
  });
}

/** The body as it comes. Throws `payload_too_large` for one that says it is too long, `invalid_data` without one. */
export function streamedBody({ body, headers }: FastifyRequest, maxBytes: number): AsyncIterable<Uint8Array> {
  if (Number(headers['content-length'] ?? 0) > maxBytes)
    throw new TrainyardError('payload_too_large', `The upload is larger than ${maxBytes} bytes.`);
  if (!body) throw new TrainyardError('invalid_data', 'The upload is empty.');
  return (body as IncomingMessage).iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
