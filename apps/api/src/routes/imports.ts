import { join } from 'node:path';
import { Checkpoint, ImportQuery, ref } from '@trainyard/contracts';
import { recordImport } from '@trainyard/db';
import { Type } from 'typebox';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { importCheckpoint } from '../import-checkpoint.ts';
import { withSpooledTar } from '../spool-tar.ts';
import { acceptStreams, streamedBody } from '../streamed-body.ts';
import type { Services } from './routes.ts';

const TAR = 'application/x-tar';

export function importRoutes(app: App, { db, blobs, config }: Services): void {
  app.register(async (scoped) => {
    acceptStreams(scoped, [TAR]);
    (scoped as App).post(
      '/checkpoints/import',
      {
        config: { scope: 'write' },
        schema: {
          summary: 'Import a Hugging Face or PEFT folder as a checkpoint',
          description:
            'The body is a tar archive with the files of the folder at its top: LlamaForCausalLM with safetensors and ' +
            'tokenizer.json, or with base LoRA adapters. Nothing is kept of one with a problem. The checkpoint comes ' +
            'with a run of stage import.',
          tags: ['checkpoints'],
          querystring: ImportQuery,
          body: { content: { [TAR]: { schema: Type.Unknown({ description: 'The archive, streamed.' }) } } },
          response: { 201: ref(Checkpoint) },
        },
      },
      (request, reply) => {
        const source = streamedBody(request, config.maxUploadBytes);
        const spool = { spoolDir: join(config.dataDir, 'import'), maxBytes: config.maxUploadBytes };
        return withSpooledTar(source, spool, async ({ folder, digest }) => {
          const imported = await importCheckpoint({ db, blobs }, folder, request.query);
          return answerOnce(db, request, reply, (tx) => recordImport(tx, imported), digest);
        });
      },
    );
  });
}
