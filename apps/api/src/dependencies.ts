import type { Database } from '@trainyard/db';
import type { Queue } from '@trainyard/queue';
import type { BlobStore } from '@trainyard/storage';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config.ts';
import type { Inference } from './inference/inference.ts';

export interface Dependencies {
  db: Database;
  queue: Queue;
  blobs: BlobStore;
  inference: Inference;
  config: Config;
  logger: FastifyBaseLogger;
}
