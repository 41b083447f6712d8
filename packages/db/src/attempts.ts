import {
  isDeliverable,
  type RunAttempt,
  type RunError,
  type RunState,
  type TerminationReason,
} from '@trainyard/contracts';
import { changeState, recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { type Fence, lockFenced, lockPipelineOf, lockRun } from './fence.ts';
import type { Prisma } from './generated/client.ts';
import type { RunModel } from './generated/models.ts';
import { settlePipeline } from './pipelines.ts';
import { iso, isoOrNull } from './rows.ts';
import { toRun } from './run-resource.ts';
import { storable } from './storable.ts';

export interface Claim {
  workerId: string;
  backend: string;
  leaseSeconds: number;
}

/** A claimed run: everything its trainer needs to know. */
export type ClaimedRun = ReturnType<typeof toRun> & {
  fence: Fence;
  startStep: number;
  manifestSha256: string | null;
};

/**
 * Takes a run for a worker: raises its epoch and leases it by Postgres' clock. Undefined if the run is not to be had:
 * it moved on since the queue was told, or the queue remembers more than the database.
 */
export async function claimRun(tx: Tx, runId: string, claim: Claim): Promise<ClaimedRun | undefined> {
  if (!(await tx.run.findUnique({ where: { id: runId }, select: { id: true } }))) return undefined;
  const run = await lockRun(tx, runId);
  if (!isDeliverable(run.state as RunState)) return undefined;
  const epoch = run.epoch + 1;
  const latest = await tx.checkpoint.findFirst({
    where: { runId },
    orderBy: [{ step: 'desc' }, { epoch: 'desc' }],
  });
  const startStep = latest?.step ?? 0;
  const next = await changeState(
    tx,
    run,
    'claim',
    {
      epoch,
      workerId: claim.workerId,
      backend: claim.backend,
      attempts: run.attempts + 1,
      startedAt: run.startedAt ?? new Date(),
    },
    { worker_id: claim.workerId, epoch, start_step: startStep },
  );
  await renewLease(tx, runId, claim.leaseSeconds);
  await tx.runAttempt.create({
    data: { runId, epoch, workerId: claim.workerId, backend: claim.backend, startStep },
  });
  await tx.worker.update({ where: { id: claim.workerId }, data: { currentRunId: runId } });
  return {
    ...toRun(next),
    fence: { runId, epoch },
    startStep,
    manifestSha256: latest?.manifestSha256 ?? null,
  };
}

const renewLease = (tx: Tx, runId: string, seconds: number) =>
  tx.$executeRaw`UPDATE runs SET lease_expires_at = now() + ${seconds} * interval '1 second' WHERE id = ${runId}::uuid`;

/** What a heartbeat brings back. */
export type Order = 'continue' | 'pause' | 'cancel' | 'fenced';

/** Renews the lease and carries the progress; one statement, no transaction. */
export async function heartbeat(
  db: Database,
  fence: Fence,
  leaseSeconds: number,
  progress?: object,
): Promise<Order> {
  const rows = await db.client.$queryRaw<{ state: RunState }[]>`
    UPDATE runs SET lease_expires_at = now() + ${leaseSeconds} * interval '1 second',
      progress = coalesce(${progress ? JSON.stringify(progress) : null}::jsonb, progress)
    WHERE id = ${fence.runId}::uuid AND epoch = ${fence.epoch} AND state IN ('starting', 'running', 'pausing', 'cancelling')
    RETURNING state`;
  switch (rows[0]?.state) {
    case undefined:
      return 'fenced';
    case 'pausing':
      return 'pause';
    case 'cancelling':
      return 'cancel';
    default:
      return 'continue';
  }
}

/** The trainer has loaded everything and makes steps. */
export async function recordStart(tx: Tx, fence: Fence): Promise<void> {
  const run = await lockFenced(tx, fence);
  if (run.state === 'starting') await changeState(tx, run, 'start');
}

/** How an attempt ended, as its worker saw it. */
export type Outcome =
  | { kind: 'succeeded'; result: Record<string, unknown>; progress?: object }
  | { kind: 'failed'; error: RunError; reason: TerminationReason }
  | { kind: 'crashed'; error: RunError }
  | { kind: 'paused' }
  | { kind: 'cancelled' }
  | { kind: 'handed_back' };

/** Ends the fence's attempt and moves the run on. Throws `FencedError` if the epoch is over. */
export async function endAttempt(tx: Tx, fence: Fence, reported: Outcome): Promise<void> {
  const outcome = storable(reported);
  await lockPipelineOf(tx, fence.runId);
  const run = await lockFenced(tx, fence);
  const error = outcome.kind === 'failed' || outcome.kind === 'crashed' ? outcome.error : undefined;
  await closeAttempt(tx, run, outcome.kind, error);
  const next = await afterAttempt(tx, run, outcome);
  await settlePipeline(tx, next);
}

async function afterAttempt(tx: Tx, run: RunModel, outcome: Outcome): Promise<RunModel> {
  switch (outcome.kind) {
    case 'succeeded':
      return changeState(tx, run, 'succeed', {
        result: outcome.result as Prisma.InputJsonValue,
        terminationReason: 'completed',
        ...(outcome.progress ? { progress: outcome.progress as Prisma.InputJsonValue } : {}),
      });
    case 'failed':
      return fail(tx, run, outcome.error, outcome.reason);
    case 'crashed':
      return recover(tx, run, outcome.error);
    case 'paused':
      if (run.state === 'pausing') return changeState(tx, run, 'acknowledge_pause', released);
      return changeState(tx, run, 'hand_back', { ...released, ...cancelReason(run) }); // resumed or cancelled meanwhile
    case 'cancelled':
      return changeState(tx, run, 'acknowledge_cancel', { terminationReason: 'cancelled_by_user' });
    case 'handed_back':
      return changeState(tx, run, 'hand_back', { ...released, ...cancelReason(run) });
  }
}

const released = { workerId: null, leaseExpiresAt: null };
const cancelReason = (run: RunModel) =>
  run.state === 'cancelling' ? { terminationReason: 'cancelled_by_user' } : {};

const fail = (tx: Tx, run: RunModel, error: RunError, reason: TerminationReason) =>
  changeState(tx, run, 'fail', {
    error: error as Prisma.InputJsonValue,
    terminationReason: reason,
    stateReason: error.message,
  });

/**
 * After a death: back into the queue if the attempt got a checkpoint further or the budget of barren attempts is not
 * used up; else failed, with the evidence of the last death. What was to be paused or cancelled is.
 */
async function recover(tx: Tx, run: RunModel, error: RunError): Promise<RunModel> {
  const attempt = await tx.runAttempt.findUniqueOrThrow({
    where: { runId_epoch: { runId: run.id, epoch: run.epoch } },
  });
  const latest = await tx.checkpoint.findFirst({ where: { runId: run.id }, orderBy: { step: 'desc' } });
  const barren = (latest?.step ?? 0) > attempt.startStep ? 0 : run.barrenAttempts + 1;
  await recordEvent(tx, run, 'attempt_lost', { error, barren_attempts: barren });
  const steered = run.state === 'pausing' || run.state === 'cancelling';
  if (barren >= run.maxAttempts && !steered) {
    const message = `${barren} attempts in a row ended without progress; the last: ${error.message}`;
    return fail(tx, run, { ...error, message }, 'infrastructure');
  }
  return changeState(tx, run, 'lose', { ...released, ...cancelReason(run), barrenAttempts: barren });
}

async function closeAttempt(tx: Tx, run: RunModel, outcome: string, error?: RunError): Promise<void> {
  await tx.$executeRaw`
    UPDATE runs SET training_seconds = training_seconds + extract(epoch FROM now() - a.started_at)
    FROM run_attempts a WHERE runs.id = ${run.id}::uuid AND a.run_id = runs.id AND a.epoch = ${run.epoch} AND a.ended_at IS NULL`;
  await tx.runAttempt.update({
    where: { runId_epoch: { runId: run.id, epoch: run.epoch } },
    data: { outcome, endedAt: new Date(), ...(error ? { error: error as Prisma.InputJsonValue } : {}) },
  });
  if (run.workerId)
    await tx.worker.updateMany({
      where: { id: run.workerId, currentRunId: run.id },
      data: { currentRunId: null },
    });
}

/** Runs whose lease has run out by Postgres' clock; each must be recovered in a transaction of its own. */
export async function expiredRuns(db: Database): Promise<string[]> {
  const rows = await db.client.$queryRaw<{ id: string }[]>`SELECT id FROM runs WHERE lease_expires_at < now()
    AND state IN ('starting', 'running', 'pausing', 'cancelling')`;
  return rows.map((row) => row.id);
}

/** Takes a run from a worker whose lease ran out. Checks again under the lock: a heartbeat may have come meanwhile. */
export async function recoverExpired(tx: Tx, runId: string): Promise<boolean> {
  await lockPipelineOf(tx, runId);
  const run = await lockRun(tx, runId);
  const [row] = await tx.$queryRaw<{ expired: boolean }[]>`SELECT lease_expires_at < now() AND state IN
    ('starting', 'running', 'pausing', 'cancelling') AS expired FROM runs WHERE id = ${runId}::uuid`;
  if (!row?.expired) return false;
  const error = {
    code: 'lease_expired',
    message: `Worker ${run.workerId} sent no heartbeat before its lease ran out.`,
  };
  await closeAttempt(tx, run, 'lost', error);
  await settlePipeline(tx, await recover(tx, run, error));
  return true;
}

export async function listAttempts(db: Database, runId: string): Promise<RunAttempt[]> {
  const rows = await db.client.runAttempt.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
  return rows.map((row) => ({
    epoch: row.epoch,
    worker_id: row.workerId,
    backend: row.backend,
    start_step: row.startStep,
    outcome: row.outcome,
    error: row.error as RunError | null,
    started_at: iso(row.startedAt),
    ended_at: isoOrNull(row.endedAt),
  }));
}
