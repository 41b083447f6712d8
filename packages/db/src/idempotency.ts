import { createHash } from 'node:crypto';
import { TrainyardError } from '@trainyard/contracts';
import type { Tx } from './client.ts';
import type { Prisma } from './generated/client.ts';

export interface IdempotencyKey {
  apiKeyId: string;
  key: string;
  /** What was asked: method, URL and body. The same key with another request is a conflict. */
  request: string;
}

export interface Answer {
  status: number;
  body: unknown;
}

/**
 * Runs `create` once for an `Idempotency-Key`, in the same transaction as what it creates: a repeat gets the first
 * answer, concurrent repeats wait for it. Throws `idempotency_conflict` if the key was used for another request.
 */
export async function once(
  tx: Tx,
  idempotency: IdempotencyKey | undefined,
  create: () => Promise<Answer>,
): Promise<Answer> {
  if (!idempotency) return create();
  const { apiKeyId, key, request } = idempotency;
  const requestHash = createHash('sha256').update(request).digest('hex');
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`${apiKeyId}:${key}`}, 0))`;
  const earlier = await tx.idempotencyRecord.findUnique({ where: { apiKeyId_key: { apiKeyId, key } } });
  if (earlier) {
    if (earlier.requestHash !== requestHash)
      throw new TrainyardError(
        'idempotency_conflict',
        'This Idempotency-Key was used for a different request; choose a new one.',
        {
          param: 'Idempotency-Key',
        },
      );
    return { status: earlier.status, body: earlier.body };
  }
  const answer = await create();
  await tx.idempotencyRecord.create({
    data: { apiKeyId, key, requestHash, status: answer.status, body: answer.body as Prisma.InputJsonValue },
  });
  return answer;
}

/** Forgets answers older than a day. */
export async function forgetIdempotency(tx: Tx): Promise<void> {
  await tx.$executeRaw`DELETE FROM idempotency_records WHERE created_at < now() - interval '1 day'`;
}
