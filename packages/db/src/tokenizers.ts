import type { Tokenizer } from '@trainyard/contracts';
import { recordEvent } from './change-state.ts';
import type { Database, Tx } from './client.ts';
import { type Fence, lockFenced } from './fence.ts';
import type { TokenizerModel } from './generated/models.ts';
import { addEdges } from './lineage.ts';
import { found, iso, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';

const toTokenizer = (row: TokenizerModel): Tokenizer => ({
  id: row.id,
  run_id: row.runId,
  vocab_size: row.vocabSize,
  sha256: row.sha256,
  bytes_per_token: row.bytesPerToken,
  created_at: iso(row.createdAt),
});

/**
 * Publishes the tokenizer that a run trained: its row, lineage and event, fenced. `sha256` is its blob. One that is
 * there already, since the answer was lost and its worker writes again, stays as it is.
 */
export async function recordTokenizer(
  tx: Tx,
  fence: Fence,
  trained: { vocabSize: number; sha256: string; bytesPerToken: number },
): Promise<string> {
  const run = await lockFenced(tx, fence);
  const known = await tx.tokenizer.findFirst({ where: { ...fence, sha256: trained.sha256 } });
  return known?.id ?? addTokenizer(tx, run, trained);
}

/** The row, lineage and event of a tokenizer of a run that is locked, or that nobody else sees yet. */
export async function addTokenizer(
  tx: Tx,
  run: { id: string; epoch: number },
  made: { vocabSize: number; sha256: string; bytesPerToken: number | null },
): Promise<string> {
  const row = await tx.tokenizer.create({ data: { ...made, runId: run.id, epoch: run.epoch } });
  await tx.run.update({ where: { id: run.id }, data: { tokenizerId: row.id } });
  await addEdges(tx, [
    { parentType: 'run', parentId: run.id, childType: 'tokenizer', childId: row.id, role: 'produced' },
  ]);
  await recordEvent(tx, run, 'tokenizer', { tokenizer_id: row.id, vocab_size: row.vocabSize });
  return row.id;
}

export async function getTokenizer(db: Database, id: string): Promise<Tokenizer> {
  return toTokenizer(found(await db.client.tokenizer.findUnique({ where: { id } }), 'tokenizer', id));
}

export async function listTokenizers(db: Database, page: PageRequest): Promise<Paged<Tokenizer>> {
  return toPage(await db.client.tokenizer.findMany(pageArguments(page)), page, toTokenizer);
}
