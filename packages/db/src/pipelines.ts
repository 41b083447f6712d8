import {
  type CheckpointInput,
  type CheckpointKind,
  type CreatePipeline,
  isFinal,
  type Pipeline,
  type PipelineStage,
  type PipelineState,
  parseStageConfig,
  type RunInputs,
  type RunState,
  type Stage,
  type StageConfig,
  stageOutput,
  TrainyardError,
} from '@trainyard/contracts';
import { addToOutbox, changeState, recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { lockRun } from './fence.ts';
import type { Prisma } from './generated/client.ts';
import type { PipelineModel, RunModel } from './generated/models.ts';
import { addEdges } from './lineage.ts';
import { inputEdges, resolveInputs } from './resolve-inputs.ts';
import { found, iso, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';
import { toRun } from './run-resource.ts';

type StageInputsRequest = PipelineStage['inputs'];
const ROLES = ['tokenizer', 'base', 'reward_model'] as const;
const stageOf = (reference: unknown): string | undefined =>
  reference !== null && typeof reference === 'object' ? (reference as { stage: string }).stage : undefined;

/** The stages whose outputs a stage refers to. */
const parentsOf = (inputs: StageInputsRequest): string[] =>
  ROLES.flatMap((role) => stageOf(inputs[role]) ?? []);

const withRuns = { runs: { orderBy: { pipelineOrder: 'asc' as const } } };
type WithRuns = PipelineModel & { runs: RunModel[] };

function pipelineState(runs: RunModel[]): PipelineState {
  if (runs.some((run) => !isFinal(run.state as RunState))) return 'running';
  if (runs.some((run) => run.state === 'failed')) return 'failed';
  return runs.some((run) => run.state === 'cancelled') ? 'cancelled' : 'succeeded';
}

const toPipeline = (row: WithRuns): Pipeline => ({
  id: row.id,
  name: row.name,
  state: pipelineState(row.runs),
  runs: row.runs.map(toRun),
  created_at: iso(row.createdAt),
});

/** Accepts a pipeline: all its runs at once, those with parents waiting. Refuses what can be refused before training. */
export async function createPipeline(tx: Tx, request: CreatePipeline): Promise<Pipeline> {
  const pipeline = await tx.pipeline.create({ data: { name: request.name ?? null } });
  const earlier = new Map<string, { stage: Stage; config: StageConfig[Stage] }>();
  for (const [order, stage] of request.stages.entries()) {
    const { config, inputs } = await checkStage(tx, stage, `stages[${order}]`, earlier);
    const waiting = parentsOf(stage.inputs).length > 0;
    const row = await tx.run.create({
      data: {
        name: request.name ? `${request.name}.${stage.name}` : stage.name,
        stage: stage.stage,
        state: waiting ? 'waiting' : 'queued',
        config: config as Prisma.InputJsonValue,
        inputs: inputs as Prisma.InputJsonValue,
        seed: stage.seed,
        maxAttempts: stage.max_attempts,
        pipelineId: pipeline.id,
        pipelineStage: stage.name,
        pipelineOrder: order,
      },
    });
    await recordEvent(tx, row, 'state', { from: null, to: row.state, event: 'submit' });
    if (!waiting) {
      await fixInputs(tx, row, inputs as RunInputs);
      await addToOutbox(tx, row);
    }
    earlier.set(stage.name, { stage: stage.stage, config });
  }
  const row = await tx.pipeline.findUniqueOrThrow({ where: { id: pipeline.id }, include: withRuns });
  return toPipeline(row);
}

/**
 * The stage's configuration, and its inputs with what they refer to now fixed: what is uploaded or aliased while earlier
 * stages run does not change it. Everything that can be known now has been checked.
 */
async function checkStage(
  tx: Tx,
  stage: PipelineStage,
  path: string,
  earlier: Map<string, { stage: Stage; config: StageConfig[Stage] }>,
): Promise<{ config: StageConfig[Stage]; inputs: StageInputsRequest }> {
  if (earlier.has(stage.name))
    throw new TrainyardError('invalid_request', `Two stages are called ${stage.name}.`, {
      param: `${path}.name`,
    });
  try {
    const config = parseStageConfig(stage.stage, stage.config);
    const known: { tokenizer?: string; base?: CheckpointInput; reward_model?: CheckpointInput } = {};
    const references: RunInputs = { ...(stage.inputs.datasets ? { datasets: stage.inputs.datasets } : {}) };
    for (const role of ROLES) {
      const reference = stage.inputs[role];
      const name = stageOf(reference);
      if (reference === undefined) continue;
      if (name === undefined) references[role] = reference as string;
      else if (role === 'tokenizer') known.tokenizer = expectOutput(earlier, name, role, ['tokenizer']);
      else
        known[role] = {
          kind: expectOutput(earlier, name, role, [
            'base',
            'masked',
            'assistant',
            'reward',
          ]) as CheckpointKind,
        };
    }
    const { datasets, ...fixed } = await resolveInputs(tx, stage.stage, config, references, known);
    const inputs = { ...stage.inputs, ...fixed, datasets: datasets.map(({ name }) => name) };
    return { config, inputs };
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    throw new TrainyardError(error.code, `Stage ${stage.name}: ${error.message}`, {
      param: error.param ? `${path}.${error.param}` : path,
      details: error.details.map((detail) => ({
        ...detail,
        ...(detail.param ? { param: `${path}.${detail.param}` } : {}),
      })),
    });
  }
}

function expectOutput(
  earlier: Map<string, { stage: Stage; config: StageConfig[Stage] }>,
  name: string,
  role: string,
  allowed: string[],
): string {
  const parent = earlier.get(name);
  const param = `inputs.${role}`;
  if (!parent)
    throw new TrainyardError('invalid_request', `There is no earlier stage called ${name}.`, { param });
  const output = stageOutput(parent.stage, parent.config);
  if (!allowed.includes(output))
    throw new TrainyardError(
      'invalid_request',
      `Stage ${name} makes a ${output}, which cannot be a ${role}.`,
      { param },
    );
  return output;
}

/** Writes a run's resolved inputs and its lineage. */
async function fixInputs(tx: Tx, run: RunModel, request: RunInputs): Promise<void> {
  const stage = run.stage as Stage;
  const inputs = await resolveInputs(tx, stage, run.config as StageConfig[Stage], request);
  await tx.run.update({
    where: { id: run.id },
    data: { inputs: inputs as unknown as Prisma.InputJsonValue },
  });
  await addEdges(tx, inputEdges(run.id, inputs));
}

/**
 * Moves a pipeline on after one of its runs ended: releases the stages whose parents all succeeded and cancels, with
 * the reason, those whose parents cannot. Level-triggered: calling it again, or twice at once, changes nothing more.
 */
export async function settlePipeline(tx: Tx, ended: { pipelineId: string | null }): Promise<void> {
  if (!ended.pipelineId) return;
  await tx.$executeRaw`SELECT 1 FROM pipelines WHERE id = ${ended.pipelineId}::uuid FOR UPDATE`;
  const rows = await tx.run.findMany({
    where: { pipelineId: ended.pipelineId },
    orderBy: { pipelineOrder: 'asc' },
  });
  const runs = new Map(rows.map((run) => [run.pipelineStage as string, run]));
  for (const [name, run] of runs) {
    if (run.state !== 'waiting') continue;
    const parents = parentsOf(run.inputs as StageInputsRequest).map((parent) => runs.get(parent)!);
    const dead = parents.find((parent) => parent.state === 'failed' || parent.state === 'cancelled');
    if (dead) {
      const stateReason = `Stage ${dead.pipelineStage} ${dead.state === 'failed' ? 'failed' : 'was cancelled'}.`;
      runs.set(
        name,
        await changeState(tx, await lockRun(tx, run.id), 'cancel', {
          terminationReason: 'parent_failed',
          stateReason,
        }),
      );
    } else if (parents.every((parent) => parent.state === 'succeeded'))
      runs.set(name, await release(tx, await lockRun(tx, run.id), runs));
  }
}

async function release(tx: Tx, run: RunModel, runs: Map<string, RunModel>): Promise<RunModel> {
  const inputs = run.inputs as StageInputsRequest;
  const request: RunInputs = { ...(inputs.datasets ? { datasets: inputs.datasets } : {}) };
  for (const role of ROLES) {
    const name = stageOf(inputs[role]);
    const parent = name === undefined ? undefined : runs.get(name);
    const id = parent
      ? role === 'tokenizer'
        ? parent.tokenizerId
        : parent.checkpointId
      : (inputs[role] as string | undefined);
    if (id) request[role] = id;
  }
  try {
    await fixInputs(tx, run, request);
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    const failure = { code: error.code, message: error.message };
    return changeState(tx, run, 'cancel', {
      terminationReason: 'user_error',
      stateReason: error.message,
      error: failure,
    });
  }
  return changeState(tx, run, 'release');
}

/** After a retry: the stages that were cancelled only because this one ended badly wait for it again. */
export async function reviveDependents(tx: Tx, retried: RunModel): Promise<void> {
  if (!retried.pipelineId) return;
  const cancelled = await tx.run.findMany({
    where: { pipelineId: retried.pipelineId, state: 'cancelled', terminationReason: 'parent_failed' },
    orderBy: { pipelineOrder: 'asc' },
  });
  const alive = new Set([retried.pipelineStage]);
  for (const run of cancelled) {
    if (!parentsOf(run.inputs as StageInputsRequest).some((parent) => alive.has(parent))) continue;
    await changeState(tx, await lockRun(tx, run.id), 'revive', { terminationReason: null });
    alive.add(run.pipelineStage);
  }
}

/** Cancels every run of a pipeline that has not ended. */
export async function cancelPipeline(
  tx: Tx,
  id: string,
  cancel: (tx: Tx, runId: string) => Promise<unknown>,
): Promise<Pipeline> {
  const row = found(await tx.pipeline.findUnique({ where: { id }, include: withRuns }), 'pipeline', id);
  for (const run of row.runs.toReversed()) if (!isFinal(run.state as RunState)) await cancel(tx, run.id);
  return toPipeline(await tx.pipeline.findUniqueOrThrow({ where: { id }, include: withRuns }));
}

export async function getPipeline(db: Database, id: string): Promise<Pipeline> {
  return toPipeline(
    found(await db.client.pipeline.findUnique({ where: { id }, include: withRuns }), 'pipeline', id),
  );
}

export async function listPipelines(db: Database, page: PageRequest): Promise<Paged<Pipeline>> {
  return toPage(
    await db.client.pipeline.findMany({ ...pageArguments(page), include: withRuns }),
    page,
    toPipeline,
  );
}
