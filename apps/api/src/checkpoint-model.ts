import { type Checkpoint, TrainyardError } from '@trainyard/contracts';
import { type Database, getCheckpoint, getTokenizer, resolveStoredCheckpoint } from '@trainyard/db';
import type { StoredModel } from '@trainyard/engine';
import type { BlankForm, ModelFiles } from './inference/task.ts';

/** The checkpoint that an id or alias names, and where its files lie. Throws `not_found`. */
export async function resolveModel(
  db: Database,
  reference: string,
): Promise<{ checkpoint: Checkpoint; files: ModelFiles }> {
  const { id } = await resolveStoredCheckpoint(db.client, reference, 'id');
  const checkpoint = await getCheckpoint(db, id);
  const { sha256 } = await getTokenizer(db, checkpoint.tokenizer_id);
  return { checkpoint, files: { manifestSha256: checkpoint.manifest_sha256, tokenizerSha256: sha256 } };
}

/** Throws `incompatible_checkpoint` for a model that does not write text. */
export function requireWriter({ id, kind }: Checkpoint): void {
  if (kind === 'base' || kind === 'assistant') return;
  const instead = kind === 'masked' ? 'it predicts blanks: use predict' : 'it only scores answers';
  throw new TrainyardError(
    'incompatible_checkpoint',
    `Checkpoint ${id} is a ${kind} model and cannot write text; ${instead}.`,
    { param: 'id' },
  );
}

/** How the checkpoint reads blanks in this text. Throws `incompatible_checkpoint` for a model without predictions. */
export function predictionForm({ id, kind, model }: Checkpoint, text: string): BlankForm {
  if (kind === 'reward')
    throw new TrainyardError(
      'incompatible_checkpoint',
      `Checkpoint ${id} is a reward model: it scores answers and predicts no words.`,
      { param: 'id' },
    );
  if (kind === 'masked') return 'masked';
  const fills = (model as unknown as StoredModel).objective === 'fill_in_the_middle';
  return fills && text.includes('___') ? 'fill_in_the_middle' : 'next_word';
}
