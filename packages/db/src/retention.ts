import { type Retention, TrainyardError } from '@trainyard/contracts';
import type { Database, Tx } from './client.ts';
import type { CheckpointModel, RunModel } from './generated/models.ts';
import { databaseTime, found } from './rows.ts';

/** What deletes a file of the blob store unless it was put at `unlessSince` or later. */
export type DeleteBlob = (sha256: string, options: { unlessSince: Date }) => Promise<boolean>;

/**
 * The checkpoint, held until the transaction ends, so that retention cannot give it up while something comes to refer
 * to it. Throws `not_found`, or `invalid_state` for one that retention gave up.
 */
export async function referTo(tx: Tx, id: string, param: string): Promise<CheckpointModel> {
  await tx.$executeRaw`SELECT 1 FROM checkpoints WHERE id = ${id}::uuid FOR SHARE`;
  const row = found(await tx.checkpoint.findUnique({ where: { id } }), 'checkpoint', id, param);
  if (row.retiredAt)
    throw new TrainyardError(
      'invalid_state',
      `Checkpoint ${id} was given up by its run's retention at ${row.retiredAt.toISOString()}; choose one that is kept.`,
      { param },
    );
  return row;
}

type Candidate = Pick<CheckpointModel, 'id' | 'step' | 'final' | 'damagedAt' | 'metrics'>;

/** Ids of those that a policy does not keep; the final one is always kept. */
export function notKept(checkpoints: readonly Candidate[], policy: Retention): string[] {
  const sound = checkpoints.filter(({ damagedAt }) => damagedAt === null).sort((a, b) => b.step - a.step);
  const kept = new Set(sound.slice(0, policy.last).map(({ id }) => id));
  for (const { id, step, final } of sound)
    if (final || (policy.every_steps && step % policy.every_steps === 0)) kept.add(id);
  if (policy.best) {
    const { metric, goal, count } = policy.best;
    const value = ({ metrics }: Candidate) => (metrics as Record<string, number>)[metric];
    const measured = sound.filter((checkpoint) => value(checkpoint) !== undefined);
    const sign = goal === 'lowest' ? 1 : -1;
    measured.sort((a, b) => sign * (value(a)! - value(b)!));
    for (const { id } of measured.slice(0, count)) kept.add(id);
  }
  return checkpoints.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
}

/**
 * Gives up the checkpoints of a locked run that its policy does not keep: only marks them. What is tagged, aliased or
 * referred to by lineage, a pipeline that waits or a comparison stays.
 */
export async function retireCheckpoints(tx: Tx, run: RunModel): Promise<void> {
  const policy = (run.config as { checkpointing?: { keep?: Retention } }).checkpointing?.keep;
  if (!policy) return;
  const candidates = await tx.checkpoint.findMany({
    where: { runId: run.id, retiredAt: null, tags: { isEmpty: true }, aliases: { none: {} } },
    select: { id: true, step: true, final: true, damagedAt: true, metrics: true },
  });
  const ids = notKept(candidates, policy);
  if (ids.length === 0) return;
  // Waits for whoever is about to refer to one; what they wrote is seen by the next statement.
  await tx.$executeRaw`SELECT 1 FROM checkpoints WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`;
  await tx.$executeRaw`
    UPDATE checkpoints c SET retired_at = now()
    WHERE c.id = ANY(${ids}::uuid[]) AND c.retired_at IS NULL AND c.tags = '{}'
      AND NOT EXISTS (SELECT 1 FROM aliases a WHERE a.checkpoint_id = c.id)
      AND NOT EXISTS (SELECT 1 FROM lineage_edges e WHERE e.parent_type = 'checkpoint' AND e.parent_id = c.id)
      AND NOT EXISTS (SELECT 1 FROM runs w WHERE w.state = 'waiting'
        AND (w.inputs ->> 'base' = c.id::text OR w.inputs ->> 'reward_model' = c.id::text))`;
}

/**
 * Deletes the files of checkpoints that were retired `graceSeconds` ago, but for those that another row needs or that
 * were put since, and then confirms it in their rows. Interrupted anywhere it does the rest the next time.
 */
export async function deleteRetired(
  db: Database,
  deleteBlob: DeleteBlob,
  graceSeconds: number,
  signal?: AbortSignal,
): Promise<number> {
  const now = await databaseTime(db.client);
  const before = new Date(Math.min(now.getTime(), Date.now()) - graceSeconds * 1000); // whichever clock is behind
  const rows = await db.client.checkpoint.findMany({
    where: { retiredAt: { lt: before }, deletedAt: null },
    orderBy: { id: 'asc' },
    take: 1000,
  });
  let deleted = 0;
  for (const row of rows) {
    if (signal?.aborted) break;
    for (const sha256 of row.blobs)
      if (!(await isBlobReferenced(db, sha256, 'kept'))) await deleteBlob(sha256, { unlessSince: before });
    await db.client.checkpoint.updateMany({
      where: { id: row.id, retiredAt: { not: null } }, // not if it was made again meanwhile
      data: { deletedAt: now },
    });
    deleted += 1;
  }
  return deleted;
}

/**
 * Whether any row refers to the blob: a checkpoint, a dataset version, a tokenizer. A checkpoint that was given up does
 * until its grace is over and its files are deleted; `of: 'kept'` leaves these out.
 */
export async function isBlobReferenced(
  db: Database,
  sha256: string,
  of: 'kept' | 'all' = 'all',
): Promise<boolean> {
  const [row] = await db.client.$queryRaw<{ referenced: boolean }[]>`
    SELECT EXISTS (SELECT 1 FROM checkpoints WHERE blobs @> ARRAY[${sha256}]
        AND deleted_at IS NULL AND (retired_at IS NULL OR ${of} = 'all'))
      OR EXISTS (SELECT 1 FROM dataset_versions WHERE blobs @> ARRAY[${sha256}])
      OR EXISTS (SELECT 1 FROM tokenizers WHERE sha256 = ${sha256}) AS referenced`;
  return row!.referenced;
}
