import type { RunError, Stage } from '@trainyard/contracts';
import type { Fence, TrainingInputs, WrittenCheckpoint } from '@trainyard/db';

/** What the worker tells its trainer process once: all of one run. */
export interface TrainingJob {
  fence: Fence;
  stage: Stage;
  config: unknown;
  seed: number;
  inputs: TrainingInputs;
  /** The run's own latest checkpoint to go on from. */
  resumeManifest: string | null;
  storageUrl: string;
  cacheDir: string;
}

export type ToTrainer = { type: 'start'; job: TrainingJob } | { type: 'stop'; checkpoint: boolean };

export interface BackendReport {
  name: string;
  package: string;
  version: string;
  libraryVersion: string | null;
  device: string;
  memoryBytes: number;
  reasons: string[];
}

/** What a trainer process tells its worker. It never touches the database. */
export type FromTrainer =
  | { type: 'ready'; backend: BackendReport }
  | { type: 'started' }
  | { type: 'metrics'; step: number; totalSteps: number; at: number; values: Record<string, number> }
  | { type: 'checkpoint'; checkpoint: WrittenCheckpoint }
  | { type: 'tokenizer'; vocabSize: number; sha256: string; bytesPerToken: number }
  | { type: 'event'; name: string; data: Record<string, unknown> }
  | { type: 'done'; result: Record<string, unknown> }
  | { type: 'stopped'; step: number }
  | { type: 'failed'; error: RunError; userError: boolean };
