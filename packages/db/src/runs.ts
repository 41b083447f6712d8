import { type CreateRun, parseStageConfig, type Run, type RunState, transition } from '@trainyard/contracts';
import { addToOutbox, changeState, recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { lockPipelineOf, lockRun } from './fence.ts';
import { Prisma } from './generated/client.ts';
import { addEdges } from './lineage.ts';
import { reviveDependents, settlePipeline } from './pipelines.ts';
import { inputEdges, resolveInputs } from './resolve-inputs.ts';
import { found, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';
import { toRun } from './run-resource.ts';

/** Accepts a run: its row, its lineage and its outbox row in one transaction. */
export async function createRun(tx: Tx, request: CreateRun): Promise<Run> {
  const config = parseStageConfig(request.stage, request.config);
  const inputs = await resolveInputs(tx, request.stage, config, request.inputs);
  const row = await tx.run.create({
    data: {
      name: request.name ?? null,
      stage: request.stage,
      state: 'queued',
      config: config as Prisma.InputJsonValue,
      inputs: inputs as unknown as Prisma.InputJsonValue,
      seed: request.seed,
      maxAttempts: request.max_attempts,
    },
  });
  await addEdges(tx, inputEdges(row.id, inputs));
  await recordEvent(tx, row, 'state', { from: null, to: 'queued', event: 'submit' });
  await addToOutbox(tx, row);
  return toRun(row);
}

export async function getRun(db: Database, id: string): Promise<Run> {
  return toRun(found(await db.client.run.findUnique({ where: { id } }), 'run', id));
}

export interface RunFilter extends PageRequest {
  stage?: string | undefined;
  state?: string | undefined;
  pipeline?: string | undefined;
}

export async function listRuns(db: Database, filter: RunFilter): Promise<Paged<Run>> {
  const { where, ...paging } = pageArguments(filter);
  const { stage, state, pipeline } = filter;
  const conditions = {
    ...where,
    ...(stage ? { stage } : {}),
    ...(state ? { state } : {}),
    ...(pipeline ? { pipelineId: pipeline } : {}),
  };
  return toPage(await db.client.run.findMany({ ...paging, where: conditions }), filter, toRun);
}

/** Cancels a run: at once, or by its worker within seconds. Cancelling a cancelled run changes nothing. */
export async function cancelRun(tx: Tx, id: string): Promise<Run> {
  await lockPipelineOf(tx, id);
  const run = await lockRun(tx, id);
  if (run.state === 'cancelled' || run.state === 'cancelling') return toRun(run);
  const to: RunState = transition(run.state as RunState, 'cancel');
  const reason = to === 'cancelled' ? { terminationReason: 'cancelled_by_user' } : {};
  const next = await changeState(tx, run, 'cancel', reason);
  await settlePipeline(tx, next);
  return toRun(next);
}

/** Pauses a run: at once if no worker has it, else at its next checkpoint, within seconds. */
export async function pauseRun(tx: Tx, id: string): Promise<Run> {
  const run = await lockRun(tx, id);
  if (run.state === 'paused' || run.state === 'pausing') return toRun(run);
  return toRun(await changeState(tx, run, 'pause'));
}

export async function resumeRun(tx: Tx, id: string): Promise<Run> {
  // A run that was paused while it waited for room says so until it goes on.
  return toRun(await changeState(tx, await lockRun(tx, id), 'resume', { error: Prisma.DbNull }));
}

/** Queues a failed or cancelled run again, from its latest checkpoint; stages that it had taken down wait again. */
export async function retryRun(tx: Tx, id: string): Promise<Run> {
  await lockPipelineOf(tx, id);
  const run = await lockRun(tx, id);
  const pending = Object.values(run.inputs as object).some(
    (input) => input !== null && typeof input === 'object' && 'stage' in input,
  );
  const event = pending && run.state === 'cancelled' ? 'revive' : 'retry';
  const next = await changeState(tx, run, event, {
    error: Prisma.DbNull,
    result: Prisma.DbNull,
    terminationReason: null,
    barrenAttempts: 0,
  });
  await reviveDependents(tx, next);
  await settlePipeline(tx, next);
  return toRun(next);
}

/** A blocked run is tried again no sooner: where the room in the store is not known, that is all that tells. */
const BLOCKED_SECONDS = 5;

/** Runs that wait for room in the store, and how many bytes their checkpoint needs. */
export async function blockedRuns(db: Database): Promise<{ id: string; neededBytes: number }[]> {
  const rows = await db.client.$queryRaw<{ id: string; needed: number | null }[]>`
    SELECT r.id, (r.error -> 'evidence' ->> 'needed_bytes')::float8 AS needed
    FROM runs r JOIN run_attempts a ON a.run_id = r.id AND a.epoch = r.epoch
    WHERE r.state = 'blocked_storage' AND a.ended_at < now() - ${BLOCKED_SECONDS} * interval '1 second'`;
  return rows.map(({ id, needed }) => ({ id, neededBytes: needed ?? 0 }));
}

/** Queues a run that waited for room in the store; does nothing if it moved on meanwhile. */
export async function unblockRun(tx: Tx, id: string): Promise<void> {
  const run = await lockRun(tx, id);
  if (run.state === 'blocked_storage') await changeState(tx, run, 'unblock', { error: Prisma.DbNull });
}
