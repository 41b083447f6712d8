import type { Readable } from 'node:stream';
import { TrainyardError } from '@trainyard/contracts';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { connect } from '../connect.ts';
import { lockMigrations, type MigrationId } from '../migrate.ts';
import { type BlobOwner, readBlobOwners } from './blob-owners.ts';
import { copyTarget, listTables, type Table } from './tables.ts';

/** What values look like as text must not depend on the server's settings. */
const PLAIN_TEXT = `SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex';
  SET LOCAL extra_float_digits = 1`;

/** The database as it was at one moment, whatever is written meanwhile. */
export interface Snapshot {
  /** By Postgres' clock. */
  takenAt: Date;
  /** Those that were applied, by name. */
  migrations: MigrationId[];
  tables: Table[];
  /** All rows of a table, one a line, in COPY's text format (UTF-8); one table at a time. */
  readRows(table: Table): Readable & { readonly rowCount: number };
  blobOwners: BlobOwner[];
}

/**
 * Gives `use` a snapshot, in one transaction that reads only. No migration starts before it ends.
 * @throws TrainyardError unavailable (no database), invalid_state (one without Trainyard's tables)
 */
export async function withSnapshot<T>(url: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const client = await connect(url, 0);
  try {
    await lockMigrations(client, true); // before the transaction, whose view begins with its first query
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.query(PLAIN_TEXT);
    const migrations = await readApplied(client);
    const { rows } = await client.query<{ now: Date }>('SELECT now()');
    return await use({
      takenAt: rows[0]!.now,
      migrations,
      tables: await listTables(client),
      readRows: (table) => client.query(copyTo(`COPY ${copyTarget(table)} TO STDOUT`)),
      blobOwners: await readBlobOwners(client),
    });
  } finally {
    await client.end();
  }
}

async function readApplied(client: pg.Client): Promise<MigrationId[]> {
  const { rows: found } = await client.query(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`);
  const { rows } = found[0].there
    ? await client.query<MigrationId>(`SELECT migration_name AS name, checksum FROM _prisma_migrations
        WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`)
    : { rows: [] };
  if (rows.length === 0)
    throw new TrainyardError(
      'invalid_state',
      'the database holds no tables of Trainyard: check that DATABASE_URL names the right one',
    );
  return rows;
}
