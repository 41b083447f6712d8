import { revokeApiKey } from '@trainyard/db';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const create = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/api-keys', { body, headers });

it('is shown once, works within its scopes, and ends at once when it is revoked', async () => {
  const { status, body } = await create({ name: 'reader', scopes: ['read'] });
  expect(status).toBe(201);
  expect(body.key).toMatch(/^ty_[\w-]{43}$/);
  const { key } = body;
  expect((await api.call('GET', '/v1/runs', { key })).status).toBe(200);
  expect((await api.call('POST', '/v1/datasets', { key, body: { name: 'a', kind: 'text' } })).status).toBe(
    403,
  );
  const listed = (await api.call('GET', '/v1/api-keys')).body.data.find(
    ({ id }: { id: string }) => id === body.id,
  );
  expect(listed).toMatchObject({
    name: 'reader',
    prefix: key.slice(0, 8),
    scopes: ['read'],
    revoked_at: null,
  });
  expect(JSON.stringify(await api.db.client.apiKey.findMany())).not.toContain(key);

  const revoked = await api.call('DELETE', `/v1/api-keys/${body.id}`);
  expect(revoked.body.revoked_at).not.toBeNull();
  expect((await api.call('GET', '/v1/runs', { key })).status).toBe(401);
  expect((await api.call('DELETE', `/v1/api-keys/${body.id}`)).body).toEqual(revoked.body);
});

it('is never kept in the record of an Idempotency-Key', async () => {
  const headers = { 'idempotency-key': 'key-1' };
  const first = await create({ name: 'once', scopes: ['read'] }, headers);
  const second = await create({ name: 'once', scopes: ['read'] }, headers);
  expect([first.status, second.status, second.body.code]).toEqual([201, 409, 'conflict']);
  expect(second.body.detail).toContain(first.body.id);
  expect(JSON.stringify(await api.db.client.idempotencyRecord.findMany())).not.toContain(first.body.key);
  expect(await api.db.client.apiKey.count({ where: { name: 'once' } })).toBe(1);
});

it('the last admin key cannot be revoked, not even by two at once', async () => {
  const { body: second } = await create({ name: 'second', scopes: ['admin'] });
  const me = (await api.call('GET', '/v1/me')).body;
  const revoking = [me.id, second.id].map((id) => api.db.transaction((tx) => revokeApiKey(tx, id)));
  const outcomes = (await Promise.allSettled(revoking)).map(({ status }) => status).sort();
  expect(outcomes).toEqual(['fulfilled', 'rejected']);
  const left = await api.db.client.apiKey.findFirstOrThrow({
    where: { revokedAt: null, scopes: { has: 'admin' } },
  });
  const key = left.id === me.id ? api.key : second.key;
  const last = await api.call('DELETE', `/v1/api-keys/${left.id}`, { key });
  expect([last.status, last.body.code]).toEqual([409, 'conflict']);
});
