import { TrainyardError } from '@trainyard/contracts';
import { type Database, type IdempotencyKey, once, type Tx } from '@trainyard/db';
import type { FastifyReply, FastifyRequest } from 'fastify';

const HEADER = 'Idempotency-Key';

function idempotencyKey(request: FastifyRequest, content: string): IdempotencyKey | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new TrainyardError(
      'invalid_request',
      `${HEADER} must have 1 to 255 printable characters without spaces.`,
      { param: HEADER },
    );
  return { apiKeyId: request.apiKey.id, key, request: `${request.method} ${request.url}\n${content}` };
}

/**
 * Creates in one transaction with the record of the request's `Idempotency-Key`, and answers 201; a repeat gets the
 * first answer. `content` is what was sent, where the body is a stream.
 */
export async function answerOnce<T>(
  db: Database,
  request: FastifyRequest,
  reply: FastifyReply,
  create: (tx: Tx) => Promise<T>,
  content: string = JSON.stringify(request.body),
): Promise<T> {
  const key = idempotencyKey(request, content);
  const answer = await db.transaction((tx) =>
    once(tx, key, async () => ({ status: 201, body: await create(tx) })),
  );
  reply.code(answer.status);
  return answer.body as T;
}
