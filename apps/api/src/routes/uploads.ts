import { createReadStream } from 'node:fs';
import {
  type Dataset,
  DatasetVersion,
  ImportDataset,
  ref,
  TrainyardError,
  UploadQuery,
} from '@trainyard/contracts';
import { type Compression, type DatasetVersionContent, ingestDataset } from '@trainyard/datasets';
import { addDatasetVersion, getDataset } from '@trainyard/db';
import { Type } from 'typebox';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { allowedFile, formatOfFile } from '../import-file.ts';
import { ingestLimits } from '../ingest-limits.ts';
import { acceptStreams, streamedBody } from '../streamed-body.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['datasets'];
const FORMATS = {
  'text/plain': 'text',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
} as const;
const DATA = Type.Unknown({ description: 'The records, streamed.' });
type ContentType = keyof typeof FORMATS;
type Format = (typeof FORMATS)[ContentType];
type Source = AsyncIterable<Uint8Array>;

function compressionOf(encoding: string | undefined): Compression {
  if (encoding === undefined || encoding === 'identity') return 'none';
  if (encoding === 'gzip' || encoding === 'zstd') return encoding;
  throw new TrainyardError('unsupported_media_type', `Content-Encoding ${encoding} is not gzip or zstd.`, {
    param: 'Content-Encoding',
  });
}

function formatOf(contentType: string | undefined): Format {
  const [type = ''] = (contentType ?? '').toLowerCase().split(';');
  return FORMATS[type.trim() as ContentType];
}

/** What an uploaded or imported version is about; the query of an upload, a part of the body of an import. */
const about = (given: UploadQuery) => ({
  heldOutFraction: given.held_out_fraction ?? 0.05,
  licence: given.licence,
  collectedUntil: given.collected_until,
});

export function uploadRoutes(app: App, { db, blobs, config }: Services): void {
  const ingest = (
    dataset: Dataset,
    source: Source,
    format: Format,
    compression: Compression,
    held_out_fraction: number | undefined,
  ): Promise<DatasetVersionContent> =>
    ingestDataset({
      source,
      format,
      compression,
      kind: dataset.kind,
      heldOutFraction: held_out_fraction ?? 0.05,
      store: blobs,
      ...ingestLimits(config),
    });

  app.post(
    '/datasets/:id/import',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Import a file as the next version',
        description:
          'The file lies on the machine of the API; .txt, .jsonl or .ndjson, and .gz or .zst on top of it.',
        tags,
        params: ById,
        body: ref(ImportDataset),
        response: { 201: ref(DatasetVersion) },
      },
    },
    async (request, reply) => {
      const { path, ...query } = request.body;
      const dataset = await getDataset(db, request.params.id);
      const file = await allowedFile(path, config.importRoots);
      const { format, compression } = formatOfFile(file, dataset.kind);
      const content = await ingest(
        dataset,
        createReadStream(file),
        format,
        compression,
        query.held_out_fraction,
      );
      return answerOnce(
        db,
        request,
        reply,
        (tx) => addDatasetVersion(tx, dataset.id, content, about(query)),
        `${JSON.stringify(request.body)}\n${content.contentHash}`,
      );
    },
  );

  app.register(async (scoped) => {
    acceptStreams(scoped, Object.keys(FORMATS));
    (scoped as App).post(
      '/datasets/:id/versions',
      {
        config: { scope: 'write', takesCompressed: true },
        schema: {
          summary: 'Upload the next version',
          description:
            'The body is the data: text/plain (documents between blank lines) or application/x-ndjson ' +
            '(one record a line), as it is or with Content-Encoding gzip or zstd. Nothing is kept of an upload with a problem.',
          tags,
          params: ById,
          body: { content: Object.fromEntries(Object.keys(FORMATS).map((type) => [type, { schema: DATA }])) },
          querystring: UploadQuery,
          response: { 201: ref(DatasetVersion) },
        },
      },
      async (request, reply) => {
        const { headers, query } = request;
        const compression = compressionOf(headers['content-encoding']);
        const source = streamedBody(request, config.maxUploadBytes);
        const dataset = await getDataset(db, request.params.id);
        const format = formatOf(headers['content-type']);
        if (format === 'text' && dataset.kind !== 'text')
          throw new TrainyardError(
            'invalid_request',
            `Records of kind ${dataset.kind} come as application/x-ndjson, not as plain text.`,
            { param: 'Content-Type' },
          );
        const content = await ingest(dataset, source, format, compression, query.held_out_fraction);
        return answerOnce(
          db,
          request,
          reply,
          (tx) => addDatasetVersion(tx, dataset.id, content, about(query)),
          content.contentHash,
        );
      },
    );
  });
}
