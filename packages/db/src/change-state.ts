import { isDeliverable, isFinal, type RunEventName, type RunState, transition } from '@trainyard/contracts';
import type { Tx } from './client.ts';
import type { Prisma } from './generated/client.ts';
import type { RunModel } from './generated/models.ts';
import { databaseTime } from './rows.ts';
import { storable } from './storable.ts';

/**
 * Lets `event` happen to a run whose row is locked: the new state, its event for the watchers, and an outbox row if a
 * worker should now take it, all in the caller's transaction. Throws `invalid_state` if the table does not allow it.
 */
export async function changeState(
  tx: Tx,
  run: RunModel,
  event: RunEventName,
  changes: Prisma.RunUncheckedUpdateInput = {},
  data: Record<string, unknown> = {},
): Promise<RunModel> {
  const to = transition(run.state as RunState, event);
  const next = await tx.run.update({
    where: { id: run.id },
    data: {
      stateReason: null,
      ...changes,
      state: to,
      ...(isFinal(to)
        ? { finishedAt: await databaseTime(tx), leaseExpiresAt: null, workerId: null }
        : { finishedAt: null }),
    },
  });
  await recordEvent(tx, next, 'state', { from: run.state, to, event, ...data });
  if (isDeliverable(to)) await addToOutbox(tx, next);
  return next;
}

export async function recordEvent(
  tx: Tx,
  run: { id: string; epoch: number },
  type: string,
  data: Record<string, unknown>,
): Promise<void> {
  await tx.runEvent.create({
    data: { runId: run.id, epoch: run.epoch, type, data: storable(data) as Prisma.InputJsonValue },
  });
}

export async function addToOutbox(tx: Tx, run: { id: string; stage: string; epoch: number }): Promise<void> {
  await tx.$executeRaw`INSERT INTO outbox (run_id, stage, epoch) VALUES (${run.id}::uuid, ${run.stage}, ${run.epoch})
    ON CONFLICT (run_id, epoch) DO NOTHING`;
}
