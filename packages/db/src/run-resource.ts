import type { Progress, Run, RunError, RunStage, RunState, TerminationReason } from '@trainyard/contracts';
import type { RunModel } from './generated/models.ts';
import { iso, isoOrNull } from './rows.ts';

export const toRun = (row: RunModel): Run => ({
  id: row.id,
  name: row.name,
  stage: row.stage as RunStage,
  state: row.state as RunState,
  state_reason: row.stateReason,
  termination_reason: row.terminationReason as TerminationReason | null,
  error: row.error as RunError | null,
  config: row.config as Record<string, unknown>,
  inputs: row.inputs as Record<string, unknown>,
  seed: row.seed,
  epoch: row.epoch,
  attempts: row.attempts,
  max_attempts: row.maxAttempts,
  progress: row.progress as Progress | null,
  result: row.result as Record<string, unknown> | null,
  backend: row.backend,
  worker_id: row.workerId,
  pipeline_id: row.pipelineId,
  pipeline_stage: row.pipelineStage,
  tokenizer_id: row.tokenizerId,
  checkpoint_id: row.checkpointId,
  created_at: iso(row.createdAt),
  started_at: isoOrNull(row.startedAt),
  finished_at: isoOrNull(row.finishedAt),
  training_seconds: row.trainingSeconds,
});
