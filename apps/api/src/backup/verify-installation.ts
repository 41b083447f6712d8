import { TrainyardError } from '@trainyard/contracts';
import { type BlobOwner, withSnapshot } from '@trainyard/db';
import {
  type BlobStore,
  type CheckpointManifest,
  inLanes,
  readCheckpoint,
  verifyBlob,
} from '@trainyard/storage';

export interface Verification {
  counts: Record<BlobOwner['type'] | 'blobs' | 'bytes', number>;
  /** What is missing, damaged or contradictory, a line each. */
  problems: string[];
}

type Checked = Awaited<ReturnType<typeof verifyBlob>>;

/** Holds the database against its manifests and blobs: each blob is read once, to its last byte. */
export async function verifyInstallation(databaseUrl: string, blobs: BlobStore): Promise<Verification> {
  const owners = await withSnapshot(databaseUrl, async ({ blobOwners }) => blobOwners);
  const checked = new Map<string, Checked>();
  await inLanes(new Set(owners.flatMap((owner) => owner.blobs)), 4, async (sha256) => {
    checked.set(sha256, await verifyBlob(blobs, sha256));
  });
  const counts = { 'dataset version': 0, tokenizer: 0, checkpoint: 0, blobs: checked.size, bytes: 0 };
  for (const blob of checked.values()) counts.bytes += 'bytes' in blob ? blob.bytes : 0;
  const problems: string[] = [];
  for (const owner of owners) {
    counts[owner.type] += 1;
    for (const problem of await problemsOf(owner, blobs, checked))
      problems.push(`${owner.type} ${owner.name}, ${problem}`);
  }
  return { counts, problems };
}

async function problemsOf(
  { blobs, checkpoint }: BlobOwner,
  store: BlobStore,
  checked: ReadonlyMap<string, Checked>,
): Promise<string[]> {
  const problems: string[] = [];
  const files = new Map<string, string>();
  if (checkpoint) files.set(checkpoint.manifestSha256, 'manifest');
  // a manifest whose blob is no good is told of below, with the other blobs
  if (checkpoint && !problemOf(checked.get(checkpoint.manifestSha256))) {
    const manifest = await readManifest(store, checkpoint.manifestSha256);
    if (typeof manifest === 'string') return [manifest];
    for (const { name, sha256 } of manifest.files) files.set(sha256, name);
    problems.push(...contradictions(checkpoint, blobs, manifest, checked));
  }
  for (const sha256 of blobs) {
    const problem = problemOf(checked.get(sha256));
    if (problem) problems.push(`${files.get(sha256) ?? 'blob'}: ${problem}`);
  }
  return problems;
}

const problemOf = (blob: Checked | undefined): string | undefined =>
  blob && 'problem' in blob ? blob.problem : undefined;

/** The manifest, or why it is none. */
async function readManifest(store: BlobStore, sha256: string): Promise<CheckpointManifest | string> {
  try {
    return (await readCheckpoint(store, sha256)).manifest;
  } catch (error) {
    if (error instanceof TrainyardError && ['integrity', 'invalid_data'].includes(error.code))
      return `manifest: ${error.message}`;
    throw error;
  }
}

function contradictions(
  row: NonNullable<BlobOwner['checkpoint']>,
  blobs: readonly string[],
  manifest: CheckpointManifest,
  checked: ReadonlyMap<string, Checked>,
): string[] {
  const problems: string[] = [];
  for (const field of ['runId', 'step', 'epoch'] as const)
    if (manifest[field] !== row[field])
      problems.push(`manifest: it says ${field} ${manifest[field]}, the row ${row[field]}`);
  for (const { name, sha256, bytes } of manifest.files) {
    const blob = checked.get(sha256);
    if (!blobs.includes(sha256)) problems.push(`${name}: the row does not name its blob ${sha256}`);
    else if (blob && 'bytes' in blob && blob.bytes !== bytes)
      problems.push(`${name}: it has ${blob.bytes} bytes, the manifest says ${bytes}`);
  }
  return problems;
}
