import type { Readable } from 'node:stream';
import { CheckpointFiles, ref, Strict, TrainyardError } from '@trainyard/contracts';
import { getTokenizer, resolveCheckpoint, resolveStoredCheckpoint } from '@trainyard/db';
import { type CheckpointFile, readCheckpoint } from '@trainyard/storage';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { tarArchive } from '../tar-archive.ts';
import { tarContent } from './exports.ts';
import { ByReference } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['checkpoints'];
const MANIFEST = 'manifest.json';
const ByFile = Strict({ ...ByReference.properties, name: Type.String({ minLength: 1, maxLength: 255 }) });

export function checkpointFileRoutes(app: App, { db, blobs }: Services): void {
  async function* blobChunks(file: CheckpointFile): AsyncGenerator<Uint8Array> {
    yield* await blobs.open(file);
  }
  /** The files of the manifest, and the manifest itself. */
  const filesOf = async (reference: string): Promise<CheckpointFile[]> => {
    const { manifestSha256 } = await resolveStoredCheckpoint(db.client, reference, 'id');
    const { manifest } = await readCheckpoint(blobs, manifestSha256);
    const own = { name: MANIFEST, sha256: manifestSha256, bytes: await blobs.size(manifestSha256) };
    return [...manifest.files, own];
  };
  app.get(
    '/checkpoints/:id/files',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List the files of a checkpoint',
        tags,
        params: ByReference,
        response: { 200: ref(CheckpointFiles) },
      },
    },
    async (request) => ({ data: await filesOf(request.params.id) }),
  );
  app.get(
    '/checkpoints/:id/archive',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Download all files of a checkpoint as a tar archive',
        description:
          'Its own files as they are stored, its manifest and its tokenizer.json. A download of a damaged file is broken off.',
        tags,
        params: ByReference,
        response: { 200: tarContent('The archive') },
      },
    },
    async (request, reply) => {
      const { id, tokenizerId } = await resolveCheckpoint(db.client, request.params.id, 'id');
      const { sha256 } = await getTokenizer(db, tokenizerId);
      const tokenizer = { name: 'tokenizer.json', sha256, bytes: await blobs.size(sha256) };
      const files = [...(await filesOf(id)), tokenizer].map((file) => ({
        ...file,
        chunks: () => blobChunks(file),
      }));
      return reply
        .header('content-disposition', `attachment; filename="${id}.tar"`)
        .type('application/x-tar')
        .send(tarArchive(files));
    },
  );
  app.get(
    '/checkpoints/:id/files/:name',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Download a file of a checkpoint',
        description:
          'The ETag is the SHA-256 of the content; a download that does not match it is broken off.',
        tags,
        params: ByFile,
        response: {
          200: {
            description: 'The file',
            content: {
              'application/octet-stream': {
                schema: Type.Unsafe<Readable>({ type: 'string', format: 'binary' }),
              },
            },
          },
          304: Type.Null({ description: 'The client has it already' }),
        },
      },
    },
    async (request, reply) => {
      const { id, name } = request.params;
      const files = await filesOf(id);
      const file = files.find((candidate) => candidate.name === name);
      if (!file)
        throw new TrainyardError(
          'not_found',
          `The checkpoint has no file ${name}, but ${files.map((each) => each.name).join(', ')}.`,
          { param: 'name' },
        );
      const etag = `"${file.sha256}"`;
      reply.header('etag', etag);
      if (request.headers['if-none-match'] === etag) return reply.code(304).send(null);
      return reply
        .header('content-length', file.bytes)
        .header('content-disposition', `attachment; filename="${name}"`)
        .type('application/octet-stream')
        .send(await blobs.open(file));
    },
  );
}
