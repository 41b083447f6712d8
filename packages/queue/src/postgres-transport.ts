import {
  type BackendFactory,
  Queue as BullQueue,
  PostgresConnection,
  type PostgresConnectionOptions,
  PostgresQueueBackend,
  runMigrations,
  Worker,
} from 'bullmq';
import pg from 'pg';
import { type Transport, WORKER_OPTIONS } from './transport.ts';

const POOL_SIZE = 4;

/** BullMQ's tables go to schema `schema` of the database, made and migrated on the first use. */
export function connectPostgres(url: string, schema: string, log: (line: string) => void): Transport {
  const settings = { connectionString: url, connectionTimeoutMillis: 3000 };
  let opening: Promise<PostgresConnection> | undefined;
  let connection: PostgresConnection | undefined;

  async function open(): Promise<PostgresConnection> {
    const client = new pg.Client(settings);
    client.on('error', () => {}); // a lost connection also rejects the query under way
    try {
      await client.connect();
      await runMigrations(client, schema);
    } finally {
      await client.end().catch(() => {});
    }
    const opened = new PostgresConnection({ ...settings, schema, max: POOL_SIZE, query_timeout: 5000 });
    opened.on('error', (error: Error) => log(`PostgreSQL: ${error.message}`));
    try {
      await opened.waitUntilReady();
    } catch (error) {
      await opened.close(); // it remembers a failure for ever
      throw error;
    }
    return opened;
  }

  // Not createPostgresBackend: that opens a pool and a LISTEN connection for every queue and worker.
  const factory: BackendFactory<PostgresQueueBackend, PostgresConnectionOptions> = (name, opts) =>
    new PostgresQueueBackend(connection!, name, opts, false);
  const options = { connection: settings };
  return {
    kind: 'postgres',
    async ready() {
      opening ??= open();
      try {
        connection = await opening;
      } catch (error) {
        opening = undefined;
        throw error;
      }
    },
    makeQueue: (stage) => new BullQueue(stage, options, factory),
    makeWorker: (stage) => new Worker(stage, null, { ...options, ...WORKER_OPTIONS }, factory),
    async ping() {
      await connection!.pool.query('SELECT 1');
    },
    async close() {
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}
