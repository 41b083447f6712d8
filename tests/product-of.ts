import type { Run } from '@trainyard/contracts';
import { type Database, getCheckpoint, getTokenizer } from '@trainyard/db';
import { type BlobStore, readCheckpoint } from '@trainyard/storage';

/** What a run made, to the bit: SHA-256 of weights and optimizer state, or of the tokenizer, or all figures. */
export async function productOf(
  { db, blobs }: { db: Database; blobs: BlobStore },
  run: Run,
): Promise<string[]> {
  if (run.stage === 'eval') return [JSON.stringify(run.result)];
  if (run.stage === 'tokenizer') return [(await getTokenizer(db, run.tokenizer_id!)).sha256];
  const checkpoint = await getCheckpoint(db, run.checkpoint_id!);
  const { manifest } = await readCheckpoint(blobs, checkpoint.manifest_sha256);
  return [
    `${checkpoint.final ? 'final' : 'not final'}, step ${checkpoint.step}`,
    ...manifest.files.map(({ name, sha256 }) => `${name} ${sha256}`),
  ];
}
