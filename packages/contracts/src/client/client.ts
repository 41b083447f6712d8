import type { ApiKey, CreateApiKey, NewApiKey } from '../resources/api-key.ts';
import type { Alias, Checkpoint, CheckpointFile, Tokenizer } from '../resources/checkpoint.ts';
import type {
  CreateDataset,
  Dataset,
  DatasetPreview,
  DatasetVersion,
  ImportDataset,
  Split,
  UploadQuery,
} from '../resources/dataset.ts';
import type {
  CollectFeedback,
  Comparison,
  CreateComparison,
  JudgeComparison,
} from '../resources/feedback.ts';
import type {
  ChatRequest,
  CompleteRequest,
  Completion,
  Prediction,
  PredictRequest,
} from '../resources/inference.ts';
import type { ExportCheckpoint, ImportQuery } from '../resources/interchange.ts';
import type { Lineage, LineageType } from '../resources/lineage.ts';
import type { CreatePipeline, Pipeline } from '../resources/pipeline.ts';
import type {
  CreateRun,
  Run,
  RunAttempt,
  RunEstimate,
  RunEvent,
  RunMetric,
  RunMetrics,
} from '../resources/run.ts';
import type { Worker } from '../resources/worker.ts';
import { type Call, type ClientOptions, createSend } from './http.ts';
import { readServerSentEvents } from './server-sent-events.ts';

interface List<T> {
  data: T[];
  has_more: boolean;
}

interface PageOptions {
  after?: string;
  limit?: number;
}

/** Optional where the schema has a default. */
type Partially<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;
type PipelineRequest = Omit<CreatePipeline, 'stages'> & {
  stages: Partially<CreatePipeline['stages'][number], 'seed' | 'max_attempts'>[];
};
type Create = { idempotencyKey?: string };
type Sampled<T extends ChatRequest | CompleteRequest> = Partially<
  T,
  'max_tokens' | 'temperature' | 'seed' | 'stream'
>;

export type StreamItem =
  | { type: 'metric'; cursor: string; data: RunMetric }
  | { type: 'event'; cursor: string; data: RunEvent };

export type Client = ReturnType<typeof createClient>;

/** A typed client of the REST API: one function per operation, errors as `TrainyardError`. */
export function createClient(options: ClientOptions) {
  const send = createSend(options);
  const json = async <T>(path: string, call?: Call): Promise<T> =>
    (await (await send(path, call)).json()) as T;
  const get = <T>(path: string, query?: object) =>
    json<T>(path, query ? { query: query as Record<string, string> } : {});
  const post = <T>(path: string, body: unknown, { idempotencyKey }: Create = {}) =>
    json<T>(path, { method: 'POST', body, ...(idempotencyKey ? { idempotencyKey } : {}) });
  const act = <T>(path: string) => json<T>(path, { method: 'POST' });
  const part = encodeURIComponent;

  return {
    datasets: {
      create: (request: CreateDataset, create?: Create) => post<Dataset>('/v1/datasets', request, create),
      get: (id: string) => get<Dataset>(`/v1/datasets/${part(id)}`),
      list: (query: PageOptions & { kind?: string; name?: string } = {}) =>
        get<List<Dataset>>('/v1/datasets', query),
      versions: (id: string, query: PageOptions = {}) =>
        get<List<DatasetVersion>>(`/v1/datasets/${part(id)}/versions`, query),
      upload: (
        id: string,
        raw: NonNullable<Call['raw']>,
        query: Partial<UploadQuery> = {},
        { idempotencyKey }: Create = {},
      ) =>
        json<DatasetVersion>(`/v1/datasets/${part(id)}/versions`, {
          method: 'POST',
          raw,
          query,
          ...(idempotencyKey ? { idempotencyKey } : {}),
        }),
      import: (id: string, request: Partially<ImportDataset, 'held_out_fraction'>, create?: Create) =>
        post<DatasetVersion>(`/v1/datasets/${part(id)}/import`, request, create),
      version: (id: string) => get<DatasetVersion>(`/v1/dataset-versions/${part(id)}`),
      preview: (id: string, query: { split?: Split; limit?: number } = {}) =>
        get<DatasetPreview>(`/v1/dataset-versions/${part(id)}/preview`, query),
    },
    tokenizers: {
      get: (id: string) => get<Tokenizer>(`/v1/tokenizers/${part(id)}`),
      list: (query: PageOptions = {}) => get<List<Tokenizer>>('/v1/tokenizers', query),
    },
    runs: {
      create: (request: Partially<CreateRun, 'seed' | 'max_attempts'>, create?: Create) =>
        post<Run>('/v1/runs', request, create),
      estimate: (request: Partially<CreateRun, 'seed' | 'max_attempts'>) =>
        post<RunEstimate>('/v1/runs?validate_only=true', request),
      get: (id: string) => get<Run>(`/v1/runs/${part(id)}`),
      list: (query: PageOptions & { stage?: string; state?: string; pipeline?: string } = {}) =>
        get<List<Run>>('/v1/runs', query),
      cancel: (id: string) => act<Run>(`/v1/runs/${part(id)}/cancel`),
      pause: (id: string) => act<Run>(`/v1/runs/${part(id)}/pause`),
      resume: (id: string) => act<Run>(`/v1/runs/${part(id)}/resume`),
      retry: (id: string) => act<Run>(`/v1/runs/${part(id)}/retry`),
      events: (id: string, query: { after?: number; limit?: number } = {}) =>
        get<List<RunEvent>>(`/v1/runs/${part(id)}/events`, query),
      metrics: (id: string, query: { max_points?: number; epoch?: number } = {}) =>
        get<RunMetrics>(`/v1/runs/${part(id)}/metrics`, query),
      attempts: (id: string) => get<{ data: RunAttempt[] }>(`/v1/runs/${part(id)}/attempts`),
      /** Metrics and events as they come, until the run has ended or the connection is lost; `cursor` resumes. */
      async *stream(
        id: string,
        { cursor, signal }: { cursor?: string; signal?: AbortSignal } = {},
      ): AsyncGenerator<StreamItem> {
        const headers = { accept: 'text/event-stream', ...(cursor ? { 'last-event-id': cursor } : {}) };
        const response = await send(`/v1/runs/${part(id)}/stream`, { headers, signal });
        for await (const { id: here = '', event, data } of readServerSentEvents(response.body!)) {
          if (event === 'end') return;
          yield {
            type: event === 'metric' ? 'metric' : 'event',
            cursor: here,
            data: JSON.parse(data),
          } as StreamItem;
        }
      },
    },
    pipelines: {
      create: (request: PipelineRequest, create?: Create) => post<Pipeline>('/v1/pipelines', request, create),
      get: (id: string) => get<Pipeline>(`/v1/pipelines/${part(id)}`),
      list: (query: PageOptions = {}) => get<List<Pipeline>>('/v1/pipelines', query),
      cancel: (id: string) => act<Pipeline>(`/v1/pipelines/${part(id)}/cancel`),
    },
    checkpoints: {
      get: (id: string) => get<Checkpoint>(`/v1/checkpoints/${part(id)}`),
      list: (query: PageOptions & { run?: string; kind?: string; tag?: string } = {}) =>
        get<List<Checkpoint>>('/v1/checkpoints', query),
      files: (id: string) => get<{ data: CheckpointFile[] }>(`/v1/checkpoints/${part(id)}/files`),
      download: (id: string, name: string) => send(`/v1/checkpoints/${part(id)}/files/${part(name)}`),
      /** All files of a checkpoint, as a tar archive. */
      archive: (id: string) => send(`/v1/checkpoints/${part(id)}/archive`),
      /** The checkpoint in another tool's format, as a tar archive of a folder. */
      export: (id: string, request: Partial<ExportCheckpoint> = {}) =>
        send(`/v1/checkpoints/${part(id)}/export`, { method: 'POST', body: request }),
      /** Takes a tar archive of a Hugging Face or, with `base`, a PEFT folder. */
      import: (
        archive: NonNullable<Call['raw']>['content'],
        query: ImportQuery = {},
        { idempotencyKey }: Create = {},
      ) =>
        json<Checkpoint>('/v1/checkpoints/import', {
          method: 'POST',
          raw: { content: archive, type: 'application/x-tar' },
          query,
          ...(idempotencyKey ? { idempotencyKey } : {}),
        }),
      setTags: (id: string, tags: string[]) =>
        json<Checkpoint>(`/v1/checkpoints/${part(id)}/tags`, { method: 'PUT', body: { tags } }),
      predict: (id: string, request: Partially<PredictRequest, 'top_k'>) =>
        post<Prediction>(`/v1/checkpoints/${part(id)}/predict`, request),
      complete: (id: string, request: Sampled<CompleteRequest>) =>
        post<Completion>(`/v1/checkpoints/${part(id)}/complete`, request),
      chat: (id: string, request: Sampled<ChatRequest>) =>
        post<Completion>(`/v1/checkpoints/${part(id)}/chat`, request),
      /** The answer piece by piece. */
      async *chatStream(
        id: string,
        request: Sampled<ChatRequest>,
        signal?: AbortSignal,
      ): AsyncGenerator<string> {
        const body = { ...request, stream: true };
        const response = await send(`/v1/checkpoints/${part(id)}/chat`, { method: 'POST', body, signal });
        for await (const { data } of readServerSentEvents(response.body!)) {
          const { text } = JSON.parse(data) as { text?: string };
          if (text) yield text;
        }
      },
    },
    aliases: {
      list: (query: PageOptions = {}) => get<List<Alias>>('/v1/aliases', query),
      set: (name: string, checkpointId: string) =>
        json<Alias>(`/v1/aliases/${part(name)}`, { method: 'PUT', body: { checkpoint_id: checkpointId } }),
      delete: async (name: string) => void (await send(`/v1/aliases/${part(name)}`, { method: 'DELETE' })),
    },
    lineage: (type: LineageType, id: string, direction: 'up' | 'down' | 'both' = 'both') =>
      get<Lineage>(`/v1/lineage/${type}/${part(id)}`, { direction }),
    feedback: {
      compare: (
        request: Partially<CreateComparison, 'temperature' | 'max_tokens' | 'seed'>,
        create?: Create,
      ) => post<Comparison>('/v1/comparisons', request, create),
      get: (id: string) => get<Comparison>(`/v1/comparisons/${part(id)}`),
      list: (query: PageOptions & { state?: 'waiting' | 'judged'; checkpoint?: string } = {}) =>
        get<List<Comparison>>('/v1/comparisons', query),
      judge: (id: string, request: JudgeComparison) =>
        post<Comparison>(`/v1/comparisons/${part(id)}/judgement`, request),
      collect: (request: Partially<CollectFeedback, 'held_out_fraction'>, create?: Create) =>
        post<DatasetVersion>('/v1/feedback/collect', request, create),
    },
    workers: {
      get: (id: string) => get<Worker>(`/v1/workers/${part(id)}`),
      list: (query: PageOptions & { live?: boolean } = {}) => get<List<Worker>>('/v1/workers', query),
    },
    apiKeys: {
      create: (request: CreateApiKey, create?: Create) => post<NewApiKey>('/v1/api-keys', request, create),
      list: (query: PageOptions = {}) => get<List<ApiKey>>('/v1/api-keys', query),
      revoke: (id: string) => json<ApiKey>(`/v1/api-keys/${part(id)}`, { method: 'DELETE' }),
    },
  };
}
