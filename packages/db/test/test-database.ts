import path from 'node:path';
import { startTestPostgres } from '@trainyard/embedded';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Database, openDatabase } from '../src/client.ts';
import { migrate } from '../src/migrate.ts';

const MIGRATIONS = path.resolve(import.meta.dirname, '../../../prisma/migrations');

/** A migrated database on a Postgres of its own for the test file, empty before each of its tests. */
export function useDatabase(): { readonly db: Database } {
  let server: Awaited<ReturnType<typeof startTestPostgres>>;
  let db: Database;
  beforeAll(async () => {
    server = await startTestPostgres();
    await migrate(server.url, MIGRATIONS);
    db = openDatabase(server.url);
  });
  beforeEach(async () => {
    const tables = await db.client.$queryRaw<{ name: string }[]>`
      SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`;
    await db.client.$executeRawUnsafe(`TRUNCATE ${tables.map(({ name }) => name).join(', ')}`);
  });
  afterAll(async () => {
    await db.close();
    await server.stop();
  });
  return {
    get db() {
      return db;
    },
  };
}
