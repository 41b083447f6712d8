import {
  type ChatMessage,
  type Comparison,
  type JudgeComparison,
  TrainyardError,
  type Verdict,
} from '@trainyard/contracts';
import type { Database, Tx } from './client.ts';
import type { ComparisonModel } from './generated/models.ts';
import { addEdges } from './lineage.ts';
import { referTo } from './retention.ts';
import { found, iso, isoOrNull, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';
import { storable } from './storable.ts';

const toComparison = (row: ComparisonModel): Comparison => ({
  id: row.id,
  checkpoint_id: row.checkpointId,
  messages: row.messages as ChatMessage[],
  answer_a: row.answerA,
  answer_b: row.answerB,
  state: row.judgedAt ? 'judged' : 'waiting',
  verdict: row.verdict as Verdict | null,
  judge: row.judge,
  comment: row.comment,
  created_at: iso(row.createdAt),
  judged_at: isoOrNull(row.judgedAt),
});

export async function createComparison(
  tx: Tx,
  made: { checkpointId: string; messages: ChatMessage[]; answerA: string; answerB: string },
): Promise<Comparison> {
  await referTo(tx, made.checkpointId, 'checkpoint_id');
  const row = await tx.comparison.create({ data: storable(made) });
  const child = { childType: 'comparison' as const, childId: row.id };
  await addEdges(tx, [{ parentType: 'checkpoint', parentId: made.checkpointId, ...child, role: 'answered' }]);
  return toComparison(row);
}

/** A comparison is judged once: what was learnt from it must stay true. */
export async function judgeComparison(
  tx: Tx,
  id: string,
  judgement: JudgeComparison,
  judge: string,
): Promise<Comparison> {
  await tx.$executeRaw`SELECT 1 FROM comparisons WHERE id = ${id}::uuid FOR UPDATE`;
  const row = found(await tx.comparison.findUnique({ where: { id } }), 'comparison', id);
  if (row.judgedAt)
    throw new TrainyardError('invalid_state', `Comparison ${id} was judged already, by ${row.judge}.`);
  const { verdict, comment = null } = judgement;
  return toComparison(
    await tx.comparison.update({ where: { id }, data: { verdict, comment, judge, judgedAt: new Date() } }),
  );
}

export async function getComparison(db: Database, id: string): Promise<Comparison> {
  return toComparison(found(await db.client.comparison.findUnique({ where: { id } }), 'comparison', id));
}

export interface ComparisonFilter extends PageRequest {
  state?: 'waiting' | 'judged' | undefined;
  checkpoint?: string | undefined;
}

export async function listComparisons(db: Database, filter: ComparisonFilter): Promise<Paged<Comparison>> {
  const { where, ...paging } = pageArguments(filter);
  const judged =
    filter.state === undefined ? {} : { judgedAt: filter.state === 'waiting' ? null : { not: null } };
  const conditions = {
    ...where,
    ...judged,
    ...(filter.checkpoint ? { checkpointId: filter.checkpoint } : {}),
  };
  return toPage(await db.client.comparison.findMany({ ...paging, where: conditions }), filter, toComparison);
}

/** Every comparison with a preference (not a tie, not skipped), oldest first. */
export async function preferences(db: Database, checkpointId?: string): Promise<Comparison[]> {
  const rows = await db.client.comparison.findMany({
    where: { verdict: { in: ['a', 'b'] }, ...(checkpointId ? { checkpointId } : {}) },
    orderBy: { id: 'asc' },
  });
  return rows.map(toComparison);
}

/** The lineage of a dataset version made from judged comparisons. */
export async function linkFeedback(tx: Tx, versionId: string, comparisonIds: string[]): Promise<void> {
  const child = { childType: 'dataset_version' as const, childId: versionId, role: 'feedback' };
  await addEdges(
    tx,
    comparisonIds.map((parentId) => ({ parentType: 'comparison' as const, parentId, ...child })),
  );
}
