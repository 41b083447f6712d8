export * from './api-keys.ts';
export * from './attempts.ts';
export type { BlobOwner } from './backup/blob-owners.ts';
export { restoreRows } from './backup/restore-rows.ts';
export { checkRestoreTarget } from './backup/restore-target.ts';
export { withSnapshot } from './backup/snapshot.ts';
export * from './checkpoints.ts';
export { beginChore, type Repeated, repeat, startReconciler } from './chores.ts';
export { type Database, openDatabase, type Tx } from './client.ts';
export * from './comparisons.ts';
export * from './counts.ts';
export { databaseError } from './database-error.ts';
export * from './datasets.ts';
export { type Fence, FencedError } from './fence.ts';
export { type Answer, type IdempotencyKey, once } from './idempotency.ts';
export { type ImportedCheckpoint, recordImport } from './imports.ts';
export type { OutcomeKind } from './lifecycle.ts';
export { getLineage } from './lineage.ts';
export * from './metrics.ts';
export { migrate } from './migrate.ts';
export { type Delivery, drainOutbox } from './outbox.ts';
export { cancelPipeline, createPipeline, getPipeline, listPipelines } from './pipelines.ts';
export { reconcile, type Surroundings } from './reconcile.ts';
export {
  type ResolvedInputs,
  resolveCheckpoint,
  resolveDatasetVersion,
  resolveInputs,
  resolveStoredCheckpoint,
} from './resolve-inputs.ts';
export { deleteRetired, isBlobReferenced } from './retention.ts';
export type { Paged, PageRequest } from './rows.ts';
export * from './runs.ts';
export * from './tokenizers.ts';
export { loadTrainingInputs, type TrainingInputs } from './training-inputs.ts';
export { timeOrderedUuid } from './uuid.ts';
export * from './workers.ts';
