import type { RunError, Stage } from '@trainyard/contracts';
import type { Fence, TrainingInputs, WrittenCheckpoint } from '@trainyard/db';

/** What the worker tells its trainer process once: all of one run. */
export interface TrainingJob {
  fence: Fence;
  stage: Stage;
  config: unknown;
  seed: number;
  inputs: TrainingInputs;
  /** The run's own checkpoints to go on from, the furthest first; the next one serves where one is damaged. */
  resumeManifests: string[];
  leaseSeconds: number;
  storageUrl: string;
  cacheDir: string;
}

export type ToTrainer =
  | { type: 'start'; job: TrainingJob }
  /** The lease was renewed; a trainer that is not told so in time has lost its run and ends. */
  | { type: 'lease' }
  | { type: 'stop'; checkpoint: boolean };

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
  /** A checkpoint of the run could not be loaded; the one before is tried. */
  | { type: 'damaged'; manifestSha256: string; message: string }
  | { type: 'checkpoint'; checkpoint: WrittenCheckpoint }
  | { type: 'tokenizer'; vocabSize: number; sha256: string; bytesPerToken: number }
  | { type: 'event'; name: string; data: Record<string, unknown> }
  | { type: 'done'; result: Record<string, unknown> }
  | { type: 'stopped'; step: number }
  /** The store is full or out of reach; `needed_bytes` in the evidence, where known, is the room it takes. */
  | { type: 'blocked'; error: RunError }
  | { type: 'failed'; error: RunError; userError: boolean };
