import { createHash, randomUUID } from 'node:crypto';
import type { CreateRun, DatasetKind, Run } from '@trainyard/contracts';
import { type ClaimedRun, claimRun, endAttempt, type Outcome, recordStart } from '../src/attempts.ts';
import { recordCheckpoint, type WrittenCheckpoint } from '../src/checkpoints.ts';
import type { Database } from '../src/client.ts';
import { addDatasetVersion, createDataset, type VersionContent } from '../src/datasets.ts';
import type { Fence } from '../src/fence.ts';
import { createRun } from '../src/runs.ts';
import { recordTokenizer } from '../src/tokenizers.ts';
import { registerWorker } from '../src/workers.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** What the ingest would have written for content that is told apart by `text`. */
export const content = (text: string): VersionContent => ({
  contentHash: sha256(text),
  train: { sha256: sha256(`${text} train`), records: 9, bytes: 900 },
  heldOut: { sha256: sha256(`${text} held out`), records: 1, bytes: 100 },
  duplicates: 0,
});

/** A dataset with one version; answers the version's id. */
export async function addData(
  db: Database,
  name: string,
  kind: DatasetKind = 'text',
  collectedUntil?: string,
): Promise<string> {
  return db.transaction(async (tx) => {
    const { id } = await createDataset(tx, { name, kind });
    return (await addDatasetVersion(tx, id, content(name), { heldOutFraction: 0.1, collectedUntil })).id;
  });
}

export async function addWorker(db: Database): Promise<string> {
  const id = randomUUID();
  await registerWorker(db, {
    id,
    name: 'acting',
    stages: ['pretrain'],
    backend: 'cpu',
    backendVersion: null,
    device: 'cpu',
    memoryBytes: 2 ** 33,
    hostname: 'here',
    pid: process.pid,
    version: '0',
  });
  return id;
}

export const submit = (db: Database, request: Partial<CreateRun> & Pick<CreateRun, 'stage' | 'inputs'>) =>
  db.transaction((tx) => createRun(tx, { seed: 1, max_attempts: 10, ...request }));

export const claim = (db: Database, runId: string, workerId: string, leaseSeconds = 60) =>
  db.transaction((tx) => claimRun(tx, runId, { workerId, backend: 'cpu', leaseSeconds }));

/** Claims a run that must be there to claim, and starts it. */
export async function begin(
  db: Database,
  runId: string,
  workerId: string,
  leaseSeconds = 60,
): Promise<ClaimedRun> {
  const run = await claim(db, runId, workerId, leaseSeconds);
  if (!run) throw new Error(`run ${runId} could not be claimed`);
  await db.transaction((tx) => recordStart(tx, run.fence));
  return run;
}

export const end = (db: Database, fence: Fence, outcome: Outcome) =>
  db.transaction((tx) => endAttempt(tx, fence, outcome));

export const succeed = (db: Database, fence: Fence) => end(db, fence, { kind: 'succeeded', result: {} });
export const crash = (db: Database, fence: Fence, message = 'it died') =>
  end(db, fence, {
    kind: 'crashed',
    error: { code: 'trainer_died', message, evidence: { signal: 'SIGKILL' } },
  });

export const publishTokenizer = (db: Database, fence: Fence) =>
  db.transaction((tx) =>
    recordTokenizer(tx, fence, { vocabSize: 300, sha256: sha256('tokenizer'), bytesPerToken: 2.5 }),
  );

export const publishCheckpoint = (
  db: Database,
  fence: Fence,
  step: number,
  tokenizerId: string,
  change: Partial<WrittenCheckpoint> = {},
) =>
  db.transaction((tx) =>
    recordCheckpoint(tx, fence, {
      step,
      kind: 'base',
      final: false,
      tokenizerId,
      model: { context_length: 64 },
      parameters: 1000,
      manifestSha256: sha256(`${fence.runId} ${fence.epoch} ${step}`),
      blobs: [],
      bytes: 10,
      metrics: {},
      ...change,
    }),
  );

/** A run that a worker may claim again and again: pre-training, with all that it needs. */
export async function pretraining(
  db: Database,
  change: Partial<CreateRun> = {},
): Promise<{ run: Run; worker: string; tokenizer: string; data: string }> {
  const worker = await addWorker(db);
  const data = await addData(db, 'words', 'text', '2020-02-02');
  const tokens = await begin(
    db,
    (await submit(db, { stage: 'tokenizer', inputs: { datasets: ['words'] } })).id,
    worker,
  );
  const tokenizer = await publishTokenizer(db, tokens.fence);
  await succeed(db, tokens.fence);
  const inputs = { datasets: ['words@1'], tokenizer };
  return { run: await submit(db, { stage: 'pretrain', inputs, ...change }), worker, tokenizer, data };
}

/** Lets a run's lease be over, as if its time had passed. */
export async function expireLease(db: Database, runId: string): Promise<void> {
  await db.client
    .$executeRaw`UPDATE runs SET lease_expires_at = now() - interval '1 millisecond' WHERE id = ${runId}::uuid`;
}
