import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Scope } from '@trainyard/contracts';
import { createApiKey, type Database, migrate, openDatabase } from '@trainyard/db';
import { startTestPostgres } from '@trainyard/embedded';
import { openQueue, type Queue } from '@trainyard/queue';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { type App, buildApp } from '../../apps/api/src/app.ts';
import { type Config, readConfig } from '../../apps/api/src/config.ts';
import { type Inference, startInference } from '../../apps/api/src/inference/inference.ts';
import { createLogger } from '../../apps/api/src/logger.ts';
import { createConformance, type OpenApiDocument } from './conformance.ts';

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: tests read many shapes
  body: any;
}

export interface Request {
  body?: unknown;
  key?: string | null;
  headers?: Record<string, string>;
}

export interface ApiUnderTest {
  app: App;
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  inference: Inference;
  config: Config;
  folder: string;
  key: string;
  log: string[];
  /** A JSON request with the admin key unless told otherwise; a string or Buffer body is sent as it is. */
  call(method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH', url: string, request?: Request): Promise<Answer>;
  keyWith(...scopes: Scope[]): Promise<string>;
  close(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');
export const API_SOURCE = join(root, 'apps/api/src');
/** Node's arguments for a process that runs the TypeScript sources. */
export const SOURCE_ARGV = ['--conditions=source', '--import', 'tsx'];

/** The whole API on a Postgres, a queue and a blob store of its own, ready for `inject` and `listen`. */
export async function startApi(environment: Record<string, string> = {}): Promise<ApiUnderTest> {
  const postgres = await startTestPostgres();
  await migrate(postgres.url, join(root, 'prisma/migrations'));
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-api-test-'));
  const config = readConfig({
    DATABASE_URL: postgres.url,
    STORAGE_URL: join(folder, 'store'),
    DATA_DIR: join(folder, 'data'),
    ...environment,
  });
  const log: string[] = [];
  const logger = createLogger('info', { write: (line: string) => log.push(line) } as never);
  const db = openDatabase(config.databaseUrl);
  const blobs = await openBlobStore(config.storageUrl);
  const { redisUrl, databaseUrl } = config;
  const queue = await openQueue(redisUrl ? { redisUrl } : { databaseUrl });
  const inference = startInference({
    program: pathToFileURL(join(API_SOURCE, 'inference-process.ts')),
    execArgv: SOURCE_ARGV,
    storageUrl: config.storageUrl,
    backend: 'cpu',
    logger,
    maxWaiting: 3,
  });
  const app = buildApp({ db, queue, blobs, inference, config, logger });
  await app.ready();
  const keyWith = async (...scopes: Scope[]): Promise<string> =>
    (await db.transaction((tx) => createApiKey(tx, { name: scopes.join('+'), scopes }))).key;
  const key = await keyWith('admin');
  const checkConformance = createConformance(app.swagger() as unknown as OpenApiDocument);
  return {
    app,
    db,
    blobs,
    queue,
    inference,
    config,
    folder,
    key,
    log,
    keyWith,
    async call(method, url, { body, key: own = key, headers = {} } = {}) {
      const raw = typeof body === 'string' || Buffer.isBuffer(body);
      const response = await app.inject({
        method,
        url,
        headers: {
          ...(own === null ? {} : { authorization: `Bearer ${own}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: (raw ? body : JSON.stringify(body)) as string }),
      });
      const type = String(response.headers['content-type'] ?? '');
      const answer = type.includes('json') ? response.json() : response.payload;
      checkConformance(method, url, response.statusCode, type, answer);
      return { status: response.statusCode, headers: response.headers, body: answer };
    },
    async close() {
      await app.close();
      await inference.close();
      await queue.close();
      await blobs.close();
      await db.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
