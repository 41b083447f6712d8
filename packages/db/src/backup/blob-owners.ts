import type pg from 'pg';

/** A row that refers to blobs. */
export interface BlobOwner {
  type: 'dataset version' | 'tokenizer' | 'checkpoint';
  /** For people: `stories@2`, or an id and what helps to find it. */
  name: string;
  /** SHA-256 of each, in 64 hex digits. */
  blobs: string[];
  /** What a checkpoint's manifest must say of itself. */
  checkpoint: { manifestSha256: string; runId: string; step: number; epoch: number } | null;
}

/**
 * Which rows refer to blobs: what a backup copies and what is verified follows from it. What may be deleted is decided by
 * `isBlobReferenced`, which keeps the files of damaged checkpoints too: change both where another table has blobs.
 * A checkpoint that was given up or set aside as damaged needs its blobs no longer.
 */
const OWNERS = `
  SELECT 'dataset version' AS type, d.name || '@' || v.version AS name, v.blobs, NULL::jsonb AS checkpoint
  FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
  UNION ALL
  SELECT 'tokenizer', t.id::text, ARRAY[t.sha256], NULL
  FROM tokenizers t
  UNION ALL
  SELECT 'checkpoint', c.id || ' (run ' || c.run_id || ', step ' || c.step || ')', c.blobs,
    jsonb_build_object('manifestSha256', c.manifest_sha256, 'runId', c.run_id, 'step', c.step, 'epoch', c.epoch)
  FROM checkpoints c WHERE c.retired_at IS NULL AND c.damaged_at IS NULL`;

export async function readBlobOwners(client: pg.Client): Promise<BlobOwner[]> {
  const { rows } = await client.query<BlobOwner>(`${OWNERS} ORDER BY type, name`);
  return rows;
}
