import type { Queue as BullQueue, Worker } from 'bullmq';

/** What is used of BullMQ's classes, whose full types differ by backend. */
export type StageQueue = Pick<BullQueue, 'addBulk' | 'getJobCountByTypes' | 'close'> & Observable;
export type StageWorker = Pick<Worker, 'getNextJob' | 'startStalledCheckTimer' | 'close'> & Observable;

interface Observable {
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** One connection to the server behind BullMQ, shared by all its objects, which do not own it. */
export interface Transport {
  kind: 'redis' | 'postgres';
  /** Rejects within seconds if the server is away; may be called again. The rest needs one success before. */
  ready(): Promise<void>;
  makeQueue(stage: string): StageQueue;
  makeWorker(stage: string): StageWorker;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A fetched job is held for milliseconds. Should its consumer be killed just then, another gives it back after
 * lockDuration plus up to two stalledIntervals; how often that has happened to a job must never make it fail.
 */
export const WORKER_OPTIONS = {
  autorun: false,
  lockDuration: 15_000, // ms
  stalledInterval: 5_000, // ms
  maxStalledCount: 1_000_000,
} as const;
