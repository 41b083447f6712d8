import { Alias, AliasPage, PageQuery, ref, SetAlias, Strict } from '@trainyard/contracts';
import { deleteAlias, listAliases, setAlias } from '@trainyard/db';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import type { Services } from './routes.ts';

const tags = ['checkpoints'];
const ByName = Strict({ name: Type.String({ minLength: 1, maxLength: 220, description: 'model@alias' }) });
const Query = Strict({
  ...PageQuery,
  after: Type.Optional(Type.String({ description: 'The last name of the page before.' })),
});

export function aliasRoutes(app: App, { db }: Services): void {
  app.get(
    '/aliases',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List aliases by name',
        tags,
        querystring: Query,
        response: { 200: ref(AliasPage) },
      },
    },
    (request) => listAliases(db, request.query),
  );
  app.put(
    '/aliases/:name',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Point an alias at a checkpoint',
        tags,
        params: ByName,
        body: ref(SetAlias),
        response: { 200: ref(Alias) },
      },
    },
    (request) => db.transaction((tx) => setAlias(tx, request.params.name, request.body.checkpoint_id)),
  );
  app.delete(
    '/aliases/:name',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Remove an alias',
        tags,
        params: ByName,
        response: { 204: Type.Null({ description: 'It is gone' }) },
      },
    },
    async (request, reply) => {
      await db.transaction((tx) => deleteAlias(tx, request.params.name));
      return reply.code(204).send(null);
    },
  );
}
