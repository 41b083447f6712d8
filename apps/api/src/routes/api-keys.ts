import { ApiKey, ApiKeyPage, CreateApiKey, NewApiKey, ref, TrainyardError } from '@trainyard/contracts';
import { createApiKey, listApiKeys, revokeApiKey } from '@trainyard/db';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { ById, PageOnly } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['api-keys'];

export function apiKeyRoutes(app: App, { db, authenticator }: Services): void {
  app.get(
    '/me',
    {
      config: { scope: 'any' },
      schema: { summary: 'The key of this request', tags, response: { 200: ref(ApiKey) } },
    },
    async (request) => request.apiKey,
  );
  app.post(
    '/api-keys',
    {
      config: { scope: 'admin' },
      schema: {
        summary: 'Create an API key',
        description:
          'The answer shows the key, this once. A repeat with the same Idempotency-Key is a conflict.',
        tags,
        body: ref(CreateApiKey),
        response: { 201: ref(NewApiKey) },
      },
    },
    async (request, reply) => {
      let secret: string | undefined;
      // The record of the Idempotency-Key must not hold the secret, which is kept nowhere.
      const created = await answerOnce(db, request, reply, async (tx) => {
        const { key, ...known } = await createApiKey(tx, request.body);
        secret = key;
        return known;
      });
      if (secret) return { ...created, key: secret };
      throw new TrainyardError(
        'conflict',
        `This Idempotency-Key made the API key ${created.id}, whose secret was shown then. Revoke it and make another.`,
      );
    },
  );
  app.get(
    '/api-keys',
    {
      config: { scope: 'admin' },
      schema: { summary: 'List API keys', tags, querystring: PageOnly, response: { 200: ref(ApiKeyPage) } },
    },
    (request) => listApiKeys(db, request.query),
  );
  app.delete(
    '/api-keys/:id',
    {
      config: { scope: 'admin' },
      schema: { summary: 'Revoke an API key', tags, params: ById, response: { 200: ref(ApiKey) } },
    },
    async (request) => {
      const revoked = await db.transaction((tx) => revokeApiKey(tx, request.params.id));
      authenticator.forget();
      return revoked;
    },
  );
}
