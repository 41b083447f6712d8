import type { Stage, StageConfig } from '@trainyard/contracts';
import type { BlobStore } from '@trainyard/storage';
import type { FromTrainer, TrainingJob } from './messages.ts';

/** How a run ended in this process; a death needs no words. */
export type Ending = { kind: 'done'; result: Record<string, unknown> } | { kind: 'stopped'; step: number };

/** What a stage has at hand. */
export interface TrainerContext<S extends Stage = Stage> {
  job: TrainingJob & { stage: S };
  config: StageConfig[S];
  blobs: BlobStore;
  send: (message: FromTrainer) => Promise<void>;
  /** What the worker asked for: nothing, to stop after a checkpoint, or to stop at once. */
  stopRequested: () => 'no' | 'with_checkpoint' | 'at_once';
  now: () => number;
}
