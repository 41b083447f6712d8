import type { App } from '../app.ts';
import type { Authenticator } from '../auth.ts';
import type { Dependencies } from '../dependencies.ts';
import type { EventStreams } from '../event-streams.ts';
import { aliasRoutes } from './aliases.ts';
import { apiKeyRoutes } from './api-keys.ts';
import { checkpointFileRoutes } from './checkpoint-files.ts';
import { checkpointRoutes } from './checkpoints.ts';
import { comparisonRoutes } from './comparisons.ts';
import { datasetVersionRoutes } from './dataset-versions.ts';
import { datasetRoutes } from './datasets.ts';
import { exportRoutes } from './exports.ts';
import { feedbackRoutes } from './feedback.ts';
import { importRoutes } from './imports.ts';
import { inferenceRoutes } from './inference.ts';
import { lineageRoutes } from './lineage.ts';
import { pipelineRoutes } from './pipelines.ts';
import { runHistoryRoutes } from './run-history.ts';
import { runRoutes } from './runs.ts';
import { tokenizerRoutes } from './tokenizers.ts';
import { uploadRoutes } from './uploads.ts';
import { workerRoutes } from './workers.ts';

/** What routes work with. */
export interface Services extends Dependencies {
  authenticator: Authenticator;
  /** Brings what the outbox holds into the queue; to be called after a transaction that may have put a run there. */
  kick: () => void;
  streams: EventStreams;
}

/** Everything under /v1. */
export function routes(app: App, services: Services): void {
  datasetRoutes(app, services);
  uploadRoutes(app, services);
  datasetVersionRoutes(app, services);
  tokenizerRoutes(app, services);
  runRoutes(app, services);
  runHistoryRoutes(app, services);
  pipelineRoutes(app, services);
  checkpointRoutes(app, services);
  checkpointFileRoutes(app, services);
  exportRoutes(app, services);
  importRoutes(app, services);
  inferenceRoutes(app, services);
  aliasRoutes(app, services);
  lineageRoutes(app, services);
  comparisonRoutes(app, services);
  feedbackRoutes(app, services);
  workerRoutes(app, services);
  apiKeyRoutes(app, services);
}
