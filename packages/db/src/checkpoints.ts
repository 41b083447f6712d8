import {
  ALIAS_PATTERN,
  type Alias,
  type Checkpoint,
  type CheckpointKind,
  TrainyardError,
} from '@trainyard/contracts';
import { recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { type Fence, lockFenced } from './fence.ts';
import type { Prisma } from './generated/client.ts';
import type { AliasModel, CheckpointModel, RunModel } from './generated/models.ts';
import { startAfterDamage } from './lifecycle.ts';
import { addEdges, type Edge, knowledgeCutoff } from './lineage.ts';
import type { ResolvedInputs } from './resolve-inputs.ts';
import { referTo, retireCheckpoints } from './retention.ts';
import {
  calendarDate,
  databaseTime,
  found,
  iso,
  isoOrNull,
  listOf,
  type Paged,
  type PageRequest,
  pageArguments,
  toPage,
} from './rows.ts';

type WithAliases = CheckpointModel & { aliases: AliasModel[] };
const include = { aliases: true };

const toCheckpoint = (row: WithAliases): Checkpoint => ({
  id: row.id,
  run_id: row.runId,
  kind: row.kind as CheckpointKind,
  step: row.step,
  epoch: row.epoch,
  final: row.final,
  tokenizer_id: row.tokenizerId,
  parameters: Number(row.parameters),
  model: row.model as Record<string, unknown>,
  manifest_sha256: row.manifestSha256,
  bytes: Number(row.bytes),
  metrics: row.metrics as Record<string, number>,
  knowledge_cutoff: calendarDate(row.knowledgeCutoff),
  tags: row.tags,
  aliases: row.aliases.map((alias) => alias.name),
  created_at: iso(row.createdAt),
  damaged_at: isoOrNull(row.damagedAt),
  retired_at: isoOrNull(row.retiredAt),
  deleted_at: isoOrNull(row.deletedAt),
});

/** Checkpoints of a run that it can go on from. */
export const usable = (runId: string) => ({ runId, damagedAt: null, retiredAt: null });
export const FURTHEST: Prisma.CheckpointOrderByWithRelationInput[] = [{ step: 'desc' }, { epoch: 'desc' }];

/** A checkpoint whose files are all in the blob store, manifest included. */
export interface WrittenCheckpoint {
  step: number;
  kind: CheckpointKind;
  final: boolean;
  tokenizerId: string;
  model: Record<string, unknown>;
  parameters: number;
  manifestSha256: string;
  /** The manifest's blob and every blob that it names. */
  blobs: string[];
  bytes: number;
  metrics: Record<string, number>;
}

/**
 * Publishes a checkpoint, fenced: its row, its lineage and its event. Retires what the run's retention does not keep
 * beside it. One that is there already, since the answer was lost and its worker writes again, stays as it is.
 */
export async function recordCheckpoint(tx: Tx, fence: Fence, written: WrittenCheckpoint): Promise<string> {
  const run = await lockFenced(tx, fence);
  const { step, manifestSha256 } = written;
  const place = { runId_epoch_step: { ...fence, step } };
  const known = await tx.checkpoint.findUnique({ where: place });
  if (known && !known.damagedAt && known.manifestSha256 === manifestSha256) return known.id;
  const id = known ? await repair(tx, run, known.id, written) : (await addCheckpoint(tx, run, written)).id;
  await retireCheckpoints(tx, run);
  return id;
}

/**
 * Marks a checkpoint that its run's trainer could not load: nothing goes on from it any more. The attempt counts from
 * the one before. A report that is there already changes nothing.
 */
export async function recordDamage(
  tx: Tx,
  fence: Fence,
  damage: { manifestSha256: string; message: string },
): Promise<void> {
  const run = await lockFenced(tx, fence);
  const { manifestSha256, message } = damage;
  const damaged = await tx.checkpoint.findFirst({ where: { runId: run.id, manifestSha256 } });
  if (!damaged || damaged.damagedAt) return;
  await tx.checkpoint.update({ where: { id: damaged.id }, data: { damagedAt: await databaseTime(tx) } });
  const before = await tx.checkpoint.findFirst({ where: usable(run.id), orderBy: FURTHEST });
  await tx.run.update({ where: { id: run.id }, data: { checkpointId: before?.id ?? null } });
  await goOnFrom(tx, fence, before?.step ?? 0);
  await recordEvent(tx, run, 'checkpoint_damaged', {
    checkpoint_id: damaged.id,
    step: damaged.step,
    message,
    goes_on_from: before?.id ?? null,
  });
}

/** A checkpoint that its attempt made once more, since it was damaged, is the same one with files that are whole. */
async function repair(tx: Tx, run: RunModel, id: string, written: WrittenCheckpoint): Promise<string> {
  const { manifestSha256, blobs, bytes, metrics } = written;
  const row = await tx.checkpoint.update({
    where: { id },
    data: {
      manifestSha256,
      blobs: listOf(blobs),
      bytes,
      metrics,
      damagedAt: null,
      retiredAt: null,
      deletedAt: null,
    },
  });
  await announce(tx, run, row);
  return id;
}

/** Lets an attempt go back to `step`; it makes the steps past it once more. */
async function goOnFrom(tx: Tx, fence: Fence, step: number): Promise<void> {
  const attempt = { runId_epoch: fence };
  const { startStep } = await tx.runAttempt.findUniqueOrThrow({ where: attempt });
  await tx.runAttempt.update({ where: attempt, data: { startStep: startAfterDamage(startStep, step) } });
  await tx.runMetric.deleteMany({ where: { ...fence, step: { gt: step } } });
}

/** The row, lineage and event of a checkpoint of a run that is locked, or that nobody else sees yet. */
export async function addCheckpoint(tx: Tx, run: RunModel, written: WrittenCheckpoint): Promise<Checkpoint> {
  const row = await tx.checkpoint.create({
    data: {
      ...written,
      blobs: listOf(written.blobs),
      model: written.model as Prisma.InputJsonValue,
      runId: run.id,
      epoch: run.epoch,
      tags: [],
      knowledgeCutoff: await knowledgeCutoff(tx, 'run', run.id),
    },
    include,
  });
  await addEdges(tx, checkpointEdges(run.id, row.id, run.inputs as unknown as ResolvedInputs));
  await announce(tx, run, row);
  return toCheckpoint(row);
}

/** The run's last checkpoint is this one, and whoever watches is told. */
async function announce(tx: Tx, run: RunModel, { id, step, final, bytes }: CheckpointModel): Promise<void> {
  await tx.run.update({ where: { id: run.id }, data: { checkpointId: id } });
  await recordEvent(tx, run, 'checkpoint', { checkpoint_id: id, step, final, bytes: Number(bytes) });
}

/** A checkpoint comes from its run, and directly from what the run was made from. */
function checkpointEdges(runId: string, id: string, inputs: ResolvedInputs): Edge[] {
  const to = { childType: 'checkpoint' as const, childId: id };
  const edges: Edge[] = [{ ...to, parentType: 'run', parentId: runId, role: 'produced' }];
  if (inputs.base) edges.push({ ...to, parentType: 'checkpoint', parentId: inputs.base, role: 'base' });
  if (inputs.tokenizer)
    edges.push({ ...to, parentType: 'tokenizer', parentId: inputs.tokenizer, role: 'tokenizer' });
  return edges;
}

export async function getCheckpoint(db: Database, id: string): Promise<Checkpoint> {
  return toCheckpoint(
    found(await db.client.checkpoint.findUnique({ where: { id }, include }), 'checkpoint', id),
  );
}

export interface CheckpointFilter extends PageRequest {
  run?: string | undefined;
  kind?: string | undefined;
  tag?: string | undefined;
}

export async function listCheckpoints(db: Database, filter: CheckpointFilter): Promise<Paged<Checkpoint>> {
  const { where, ...paging } = pageArguments(filter);
  const conditions = {
    ...where,
    ...(filter.run ? { runId: filter.run } : {}),
    ...(filter.kind ? { kind: filter.kind } : {}),
    ...(filter.tag ? { tags: { has: filter.tag } } : {}),
  };
  return toPage(
    await db.client.checkpoint.findMany({ ...paging, where: conditions, include }),
    filter,
    toCheckpoint,
  );
}

export async function setTags(tx: Tx, id: string, tags: string[]): Promise<Checkpoint> {
  await referTo(tx, id, 'id');
  return toCheckpoint(await tx.checkpoint.update({ where: { id }, data: { tags: listOf(tags) }, include }));
}

const toAlias = (row: AliasModel): Alias => ({
  name: row.name,
  checkpoint_id: row.checkpointId,
  updated_at: iso(row.updatedAt),
});

/** Points `model@alias` at a checkpoint, taking it from another one if need be. */
export async function setAlias(tx: Tx, name: string, checkpointId: string): Promise<Alias> {
  if (!new RegExp(ALIAS_PATTERN).test(name))
    throw new TrainyardError('invalid_request', `${name} must look like assistant@production.`, {
      param: 'name',
    });
  await referTo(tx, checkpointId, 'checkpoint_id');
  const change = { checkpointId, updatedAt: new Date() };
  return toAlias(await tx.alias.upsert({ where: { name }, create: { name, ...change }, update: change }));
}

export async function deleteAlias(tx: Tx, name: string): Promise<void> {
  found(await tx.alias.findUnique({ where: { name } }), 'alias', name);
  await tx.alias.delete({ where: { name } });
}

export async function listAliases(db: Database, page: PageRequest): Promise<Paged<Alias>> {
  const limit = page.limit ?? 50;
  const rows = await db.client.alias.findMany({
    where: page.after === undefined ? {} : { name: { gt: page.after } },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return toPage(rows, page, toAlias);
}
