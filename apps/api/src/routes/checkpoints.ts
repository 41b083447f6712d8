import {
  CHECKPOINT_KINDS,
  Checkpoint,
  CheckpointPage,
  Id,
  OneOf,
  PageQuery,
  ref,
  SetTags,
  Strict,
} from '@trainyard/contracts';
import { getCheckpoint, listCheckpoints, resolveCheckpoint, setTags } from '@trainyard/db';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { ByReference } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['checkpoints'];

export function checkpointRoutes(app: App, { db }: Services): void {
  app.get(
    '/checkpoints',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List checkpoints',
        tags,
        querystring: Strict({
          ...PageQuery,
          run: Type.Optional(Id),
          kind: Type.Optional(OneOf(CHECKPOINT_KINDS)),
          tag: Type.Optional(Type.String()),
        }),
        response: { 200: ref(CheckpointPage) },
      },
    },
    (request) => listCheckpoints(db, request.query),
  );
  app.get(
    '/checkpoints/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a checkpoint', tags, params: ByReference, response: { 200: ref(Checkpoint) } },
    },
    async (request) => {
      const { id } = await resolveCheckpoint(db.client, request.params.id, 'id');
      return getCheckpoint(db, id);
    },
  );
  app.put(
    '/checkpoints/:id/tags',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Replace the tags of a checkpoint',
        tags,
        params: ByReference,
        body: ref(SetTags),
        response: { 200: ref(Checkpoint) },
      },
    },
    (request) =>
      db.transaction(async (tx) => {
        const { id } = await resolveCheckpoint(tx, request.params.id, 'id');
        return setTags(tx, id, request.body.tags);
      }),
  );
}
