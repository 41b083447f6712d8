import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type CheckpointFile, CheckpointFiles, ExportCheckpoint, ref } from '@trainyard/contracts';
import type { ExportedFile } from '@trainyard/interchange';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { exportCheckpoint } from '../export-checkpoint.ts';
import { tarArchive } from '../tar-archive.ts';
import { ByReference } from './parameters.ts';
import type { Services } from './routes.ts';

const TAR = 'application/x-tar';

/** A response that is a tar archive, for the OpenAPI document. */
export const tarContent = (description: string) => ({
  description,
  content: { [TAR]: { schema: Type.Unsafe<Readable>({ type: 'string', format: 'binary' }) } },
});

export function exportRoutes(app: App, services: Services): void {
  app.post(
    '/checkpoints/:id/export',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Export a checkpoint for other tools',
        description:
          'A tar archive of a folder; the same checkpoint and options give the same bytes. With Accept: ' +
          'application/json its files are listed instead, with their hashes.',
        tags: ['checkpoints'],
        params: ByReference,
        body: ref(ExportCheckpoint),
        response: {
          200: {
            description: 'The archive, or the list of its files',
            content: {
              ...tarContent('').content,
              'application/json': { schema: Type.Unsafe<CheckpointFiles>(ref(CheckpointFiles)) },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { id, files } = await exportCheckpoint(services, request.params.id, request.body);
      const accept = request.headers.accept ?? '';
      if (accept.includes('application/json') && !accept.includes(TAR))
        return { data: await listFiles(files) };
      return reply
        .header('content-disposition', `attachment; filename="${id}-${request.body.format}.tar"`)
        .type(TAR)
        .send(tarArchive(files));
    },
  );
}

async function listFiles(files: readonly ExportedFile[]): Promise<CheckpointFile[]> {
  const listed: CheckpointFile[] = [];
  for (const { name, bytes, chunks } of files) {
    const hash = createHash('sha256');
    for (const chunk of chunks()) {
      hash.update(chunk);
      await setImmediate(); // other requests have their turn
    }
    listed.push({ name, bytes, sha256: hash.digest('hex') });
  }
  return listed;
}
