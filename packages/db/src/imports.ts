import type { Checkpoint } from '@trainyard/contracts';
import { recordEvent } from './change-state.ts';
import { addCheckpoint, type WrittenCheckpoint } from './checkpoints.ts';
import type { Tx } from './client.ts';
import type { Prisma } from './generated/client.ts';
import { addEdges } from './lineage.ts';
import { inputEdges, type ResolvedInputs } from './resolve-inputs.ts';
import { referTo } from './retention.ts';
import { addTokenizer } from './tokenizers.ts';

/** A checkpoint from elsewhere, whose blobs are all in the store. */
export interface ImportedCheckpoint
  extends Pick<WrittenCheckpoint, 'kind' | 'model' | 'parameters' | 'manifestSha256' | 'blobs' | 'bytes'> {
  /** As the manifest names it. */
  runId: string;
  name: string | null;
  /** What it was imported as: licence, `collected_until` (YYYY-MM-DD), LoRA settings. */
  config: Record<string, unknown>;
  /** The checkpoint that it changes, where only adapters were imported. */
  base: string | null;
  /** A tokenizer that came with it, by its blob, or the id of the base's. */
  tokenizer: { vocabSize: number; sha256: string } | string;
}

/**
 * Registers an imported checkpoint: a run of stage `import` that has succeeded when it is first seen, with its
 * tokenizer, checkpoint, lineage and events. No worker ever gets it.
 */
export async function recordImport(tx: Tx, imported: ImportedCheckpoint): Promise<Checkpoint> {
  const { runId, name, config, base, tokenizer, ...written } = imported;
  if (base !== null) await referTo(tx, base, 'base');
  const now = new Date();
  const inputs: ResolvedInputs = { datasets: [], ...(base !== null && { base }) };
  const run = await tx.run.create({
    data: {
      id: runId,
      name,
      stage: 'import',
      state: 'succeeded',
      terminationReason: 'completed',
      config: config as Prisma.InputJsonValue,
      inputs: inputs as unknown as Prisma.InputJsonValue,
      seed: 0,
      maxAttempts: 1,
      startedAt: now,
      finishedAt: now,
    },
  });
  await addEdges(tx, inputEdges(run.id, inputs));
  const own = typeof tokenizer === 'string' ? undefined : { ...tokenizer, bytesPerToken: null };
  const tokenizerId = own ? await addTokenizer(tx, run, own) : (tokenizer as string);
  const checkpoint = await addCheckpoint(tx, run, {
    ...written,
    step: 0,
    final: true,
    tokenizerId,
    metrics: {},
  });
  await addEdges(tx, [
    {
      parentType: 'tokenizer',
      parentId: tokenizerId,
      childType: 'checkpoint',
      childId: checkpoint.id,
      role: 'tokenizer',
    },
  ]);
  await recordEvent(tx, run, 'state', { from: null, to: 'succeeded', event: 'import' });
  return checkpoint;
}
