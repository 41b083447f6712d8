import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/contracts';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { connect } from '../connect.ts';
import { lockMigrations, type MigrationId, migrate } from '../migrate.ts';
import { checkEmpty } from './restore-target.ts';
import { copyTarget, listTables, type Table } from './tables.ts';

export interface RowsToRestore {
  /** By name; the last one is where the rows' tables stood. */
  migrations: readonly MigrationId[];
  tables: readonly (Table & { rows: number })[];
  /** A table's rows as `Snapshot.readRows` gave them. */
  openRows(table: Table): Readable;
}

/**
 * Makes the tables as the backup had them, fills them in one transaction, and applies the later migrations.
 * Whatever fails before that leaves the tables empty. Expects `checkRestoreTarget` to have passed.
 * @throws TrainyardError invalid_state (rows have come meanwhile), invalid_data (rows that do not fit), unavailable
 */
export async function restoreRows(url: string, migrationsDir: string, backup: RowsToRestore): Promise<void> {
  await migrate(url, migrationsDir, backup.migrations.at(-1)?.name);
  const client = await connect(url, 0);
  try {
    await lockMigrations(client);
    await client.query('BEGIN');
    await fillTables(client, backup).catch(rethrow);
    await client.query('COMMIT');
  } finally {
    await client.end(); // rolls back what was not committed
  }
  await migrate(url, migrationsDir);
}

/**
 * Foreign keys are taken away and put back, which checks them all at once: then tables have no order, and Postgres
 * need not remember a check for each row.
 */
async function fillTables(client: pg.Client, { tables, openRows }: RowsToRestore): Promise<void> {
  const names = (await listTables(client)).map(({ name }) => pg.escapeIdentifier(name));
  await client.query(`LOCK TABLE ${names.join(', ')} IN ACCESS EXCLUSIVE MODE`);
  await checkEmpty(client);
  const keys = await listForeignKeys(client);
  for (const { table, name } of keys) await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${name}`);
  for (const table of tables) await fill(client, table, openRows(table));
  for (const { table, name, definition } of keys)
    await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${name} ${definition}`);
  await continueSequences(client);
}

async function fill(client: pg.Client, table: Table & { rows: number }, rows: Readable): Promise<void> {
  const copy = client.query(copyFrom(`COPY ${copyTarget(table)} FROM STDIN`));
  await pipeline(rows, copy);
  if (copy.rowCount !== table.rows)
    throw new TrainyardError(
      'invalid_data',
      `table ${table.name} of the backup has ${copy.rowCount} rows instead of ${table.rows}`,
    );
}

async function listForeignKeys(client: pg.Client) {
  const { rows } = await client.query<{ table: string; name: string; definition: string }>(`
    SELECT conrelid::regclass::text AS "table", quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`);
  return rows;
}

/** The next id of every counted column is one more than its highest. */
async function continueSequences(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ sequence: string; table: string; column: string }>(`
    SELECT s.oid::regclass::text AS sequence, d.refobjid::regclass::text AS "table", quote_ident(a.attname) AS "column"
    FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace`);
  for (const { sequence, table, column } of rows)
    await client.query(
      `SELECT setval('${sequence.replaceAll("'", "''")}', (SELECT coalesce(max(${column}), 0) + 1 FROM ${table}), false)`,
    );
}

/** What Postgres says of rows that it cannot take (classes 22, 23, 42) tells of the backup, not of a fault here. */
function rethrow(cause: unknown): never {
  const { code = '', message, where } = cause as { code?: string; message: string; where?: string };
  if (!/^(22|23|42)/.test(code)) throw cause;
  const place = where ? ` (${where.split('\n')[0]})` : '';
  throw new TrainyardError('invalid_data', `the backup's rows do not fit: ${message}${place}`, { cause });
}
