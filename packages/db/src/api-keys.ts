import { createHash, randomBytes } from 'node:crypto';
import {
  type ApiKey,
  type CreateApiKey,
  type NewApiKey,
  type Scope,
  TrainyardError,
} from '@trainyard/contracts';
import type { Database, Tx } from './client.ts';
import type { ApiKeyModel } from './generated/models.ts';
import { found, iso, isoOrNull, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const toApiKey = (row: ApiKeyModel): ApiKey => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes as Scope[],
  created_at: iso(row.createdAt),
  last_used_at: isoOrNull(row.lastUsedAt),
  revoked_at: isoOrNull(row.revokedAt),
});

/** Creates a key of 256 random bits; only its SHA-256 is kept. */
export async function createApiKey(tx: Tx, request: CreateApiKey): Promise<NewApiKey> {
  return storeApiKey(tx, request, `ty_${randomBytes(32).toString('base64url')}`);
}

async function storeApiKey(tx: Tx, request: CreateApiKey, key: string): Promise<NewApiKey> {
  const row = await tx.apiKey.create({
    data: { name: request.name, scopes: request.scopes, prefix: key.slice(0, 8), hash: sha256(key) },
  });
  return { ...toApiKey(row), key };
}

/**
 * Makes sure that there is an admin key at first start: `given` if the environment names one, else a fresh one.
 * Returns the key if this call created it, so that it can be shown once.
 */
export async function ensureAdminKey(tx: Tx, given?: string): Promise<string | undefined> {
  await lockAdminKeys(tx);
  if (given !== undefined) {
    const known = await tx.apiKey.findUnique({ where: { hash: sha256(given) } });
    if (!known) await storeApiKey(tx, { name: 'admin from the environment', scopes: ['admin'] }, given);
    return undefined;
  }
  if ((await countAdminKeys(tx)) > 0) return undefined;
  return (await createApiKey(tx, { name: 'first admin', scopes: ['admin'] })).key;
}

/** The key that `secret` belongs to, if it is known and not revoked. */
export async function authenticate(db: Database, secret: string): Promise<ApiKey | undefined> {
  const row = await db.client.apiKey.findUnique({ where: { hash: sha256(secret) } });
  if (!row || row.revokedAt) return undefined;
  const minuteAgo = new Date(Date.now() - 60_000);
  if (!row.lastUsedAt || row.lastUsedAt < minuteAgo)
    await db.client.apiKey.update({ where: { id: row.id }, data: { lastUsedAt: new Date() } });
  return toApiKey(row);
}

export async function listApiKeys(db: Database, page: PageRequest): Promise<Paged<ApiKey>> {
  return toPage(await db.client.apiKey.findMany(pageArguments(page)), page, toApiKey);
}

/** Ends a key. Throws `conflict` for the last admin key, without which nobody could make another. */
export async function revokeApiKey(tx: Tx, id: string): Promise<ApiKey> {
  await lockAdminKeys(tx);
  const row = found(await tx.apiKey.findUnique({ where: { id } }), 'API key', id);
  if (row.revokedAt) return toApiKey(row);
  if (row.scopes.includes('admin') && (await countAdminKeys(tx)) === 1)
    throw new TrainyardError('conflict', 'This is the last admin key. Create another one, then revoke it.');
  return toApiKey(await tx.apiKey.update({ where: { id }, data: { revokedAt: new Date() } }));
}

const lockAdminKeys = (tx: Tx) => tx.$executeRaw`SELECT pg_advisory_xact_lock(7021, 1)`;
const countAdminKeys = (tx: Tx) => tx.apiKey.count({ where: { revokedAt: null, scopes: { has: 'admin' } } });
