import type { RunAttempt, RunError, RunState, TerminationReason } from '@trainyard/contracts';
import { changeState, recordEvent } from './change-state.ts';
import { FURTHEST, usable } from './checkpoints.ts';
import type { Database, Tx } from './client.ts';
import { type Fence, lockFenced, lockPipelineOf, lockRun } from './fence.ts';
import type { Prisma } from './generated/client.ts';
import type { RunModel } from './generated/models.ts';
import { afterAttempt, claimed, type Order, orderOf, type RunStanding, type Step } from './lifecycle.ts';
import { settlePipeline } from './pipelines.ts';
import { databaseTime, iso, isoOrNull } from './rows.ts';
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
  /** Manifests of its own checkpoints to go on from, the furthest first; the next one serves where one is damaged. */
  resumeManifests: string[];
};

/**
 * Takes a run for a worker: raises its epoch and leases it by Postgres' clock. Undefined if the run is not to be had:
 * it moved on since the queue was told, or the queue remembers more than the database.
 */
export async function claimRun(tx: Tx, runId: string, claim: Claim): Promise<ClaimedRun | undefined> {
  if (!(await tx.run.findUnique({ where: { id: runId }, select: { id: true } }))) return undefined;
  const run = await lockRun(tx, runId);
  const step = claimed(standing(run));
  if (!step) return undefined;
  const epoch = step.changes.epoch!;
  // All of them: a run starts anew only where the database knows of nothing to go on from either.
  const checkpoints = await tx.checkpoint.findMany({
    where: usable(runId),
    orderBy: FURTHEST,
    select: { step: true, manifestSha256: true },
  });
  const startStep = checkpoints[0]?.step ?? 0;
  const next = await changeState(
    tx,
    run,
    step.event,
    {
      ...step.changes,
      workerId: claim.workerId,
      backend: claim.backend,
      startedAt: run.startedAt ?? (await databaseTime(tx)),
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
    resumeManifests: checkpoints.map(({ manifestSha256 }) => manifestSha256),
  };
}

const standing = (run: RunModel): RunStanding => ({ ...run, state: run.state as RunState });

const renewLease = (tx: Tx, runId: string, seconds: number) =>
  tx.$executeRaw`UPDATE runs SET lease_expires_at = now() + ${seconds} * interval '1 second' WHERE id = ${runId}::uuid`;

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
  return rows[0] ? orderOf(rows[0].state) : 'fenced';
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
  | { kind: 'crashed' | 'blocked'; error: RunError }
  | { kind: 'paused' | 'cancelled' | 'handed_back' };

/** Ends the fence's attempt and moves the run on. Throws `FencedError` if the epoch is over. */
export async function endAttempt(tx: Tx, fence: Fence, reported: Outcome): Promise<void> {
  const outcome = storable(reported);
  await lockPipelineOf(tx, fence.runId);
  const run = await lockFenced(tx, fence);
  const error = 'error' in outcome ? outcome.error : undefined;
  await closeAttempt(tx, run, outcome.kind, error);
  await settlePipeline(tx, await moveOn(tx, run, outcome));
}

/** The run after its attempt, with what the outcome says beside the state. */
async function moveOn(tx: Tx, run: RunModel, outcome: Outcome): Promise<RunModel> {
  const died = outcome.kind === 'crashed';
  const step = afterAttempt(standing(run), outcome.kind, await progressed(tx, run));
  const { barrenAttempts } = step.changes;
  if (died)
    await recordEvent(tx, run, 'attempt_lost', { error: outcome.error, barren_attempts: barrenAttempts });
  if (step.quarantined)
    await recordEvent(tx, run, 'quarantined', { attempts: await evidence(tx, run, barrenAttempts!) });
  return changeState(tx, run, step.event, {
    workerId: null,
    leaseExpiresAt: null,
    ...step.changes,
    ...described(outcome, step),
  });
}

function described(outcome: Outcome, step: Step): Prisma.RunUncheckedUpdateInput {
  switch (outcome.kind) {
    case 'succeeded':
      return {
        result: outcome.result as Prisma.InputJsonValue,
        ...(outcome.progress ? { progress: outcome.progress as Prisma.InputJsonValue } : {}),
      };
    case 'failed':
      return { ...failure(outcome.error), terminationReason: outcome.reason };
    case 'blocked':
      return step.to === 'blocked_storage' ? failure(outcome.error) : {};
    case 'crashed': {
      if (!step.quarantined) return {};
      const attempts = `${step.changes.barrenAttempts} attempts in a row ended without progress`;
      return failure({ ...outcome.error, message: `${attempts}; the last: ${outcome.error.message}` });
    }
    default:
      return {};
  }
}

const failure = (error: RunError) => ({ error: error as Prisma.InputJsonValue, stateReason: error.message });

/** Whether the run's attempt left a checkpoint past the one that it began with. */
async function progressed(tx: Tx, run: RunModel): Promise<boolean> {
  const attempt = await tx.runAttempt.findUniqueOrThrow({
    where: { runId_epoch: { runId: run.id, epoch: run.epoch } },
  });
  const furthest = await tx.checkpoint.findFirst({ where: usable(run.id), orderBy: FURTHEST });
  return (furthest?.step ?? 0) > attempt.startStep;
}

/** What the last attempts left behind when they died. */
async function evidence(tx: Tx, run: RunModel, count: number) {
  const attempts = await tx.runAttempt.findMany({
    where: { runId: run.id },
    orderBy: { epoch: 'desc' },
    take: Math.min(count, 10),
  });
  return attempts.map(({ epoch, workerId, outcome, error }) => ({
    epoch,
    worker_id: workerId,
    outcome,
    error,
  }));
}

async function closeAttempt(tx: Tx, run: RunModel, outcome: string, error?: RunError): Promise<void> {
  await tx.$executeRaw`
    UPDATE runs SET training_seconds = training_seconds + extract(epoch FROM now() - a.started_at)
    FROM run_attempts a WHERE runs.id = ${run.id}::uuid AND a.run_id = runs.id AND a.epoch = ${run.epoch} AND a.ended_at IS NULL`;
  await tx.runAttempt.update({
    where: { runId_epoch: { runId: run.id, epoch: run.epoch } },
    data: {
      outcome,
      endedAt: await databaseTime(tx),
      ...(error ? { error: error as Prisma.InputJsonValue } : {}),
    },
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
  const worker = run.workerId ? await tx.worker.findUnique({ where: { id: run.workerId } }) : null;
  const error = {
    code: 'lease_expired',
    message: `Worker ${worker?.name ?? run.workerId} sent no heartbeat before its lease ran out.`,
    ...(worker && {
      evidence: {
        worker: worker.name,
        hostname: worker.hostname,
        pid: worker.pid,
        last_heartbeat: iso(worker.heartbeatAt),
      },
    }),
  };
  await closeAttempt(tx, run, 'lost', error);
  await settlePipeline(tx, await moveOn(tx, run, { kind: 'crashed', error }));
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
