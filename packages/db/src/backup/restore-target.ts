import { TrainyardError } from '@trainyard/contracts';
import pg from 'pg';
import { connect } from '../connect.ts';
import { type MigrationId, readMigrations } from '../migrate.ts';
import { listTables } from './tables.ts';

const CONNECT_PATIENCE = 10_000; // ms: a database that has just been made

/**
 * Refuses a backup that this version cannot read and a database that it cannot go into.
 * @throws TrainyardError invalid_state with what to do instead; unavailable
 */
export async function checkRestoreTarget(
  url: string,
  migrationsDir: string,
  backedUp: readonly MigrationId[],
): Promise<void> {
  checkKnown(backedUp, await readMigrations(migrationsDir));
  const client = await connect(url, CONNECT_PATIENCE);
  try {
    await checkEmpty(client);
    await checkNoLater(client, backedUp);
  } finally {
    await client.end();
  }
}

/** The backup's migrations must be the first of ours: the rest is applied after its rows are there. */
function checkKnown(backedUp: readonly MigrationId[], own: readonly MigrationId[]): void {
  for (const [index, { name, checksum }] of backedUp.entries()) {
    if (own[index]?.name === name && own[index].checksum === checksum) continue;
    const known = own.find((migration) => migration.name === name);
    const why = !known
      ? `has migration ${name}, which this version of Trainyard does not know`
      : known.checksum !== checksum
        ? `has another migration ${name} than this version of Trainyard`
        : `lacks migration ${own[index]?.name}, which comes before its ${name}`;
    throw new TrainyardError(
      'invalid_state',
      `the backup ${why}: restore with the version that made it, or a later one`,
    );
  }
}

/** @throws TrainyardError invalid_state naming the tables that hold rows */
export async function checkEmpty(client: pg.Client): Promise<void> {
  const filled: string[] = [];
  for (const { name } of await listTables(client)) {
    const { rows } = await client.query(`SELECT EXISTS (SELECT FROM ${pg.escapeIdentifier(name)}) AS filled`);
    if (rows[0].filled) filled.push(name);
  }
  if (filled.length > 0)
    throw new TrainyardError(
      'invalid_state',
      `the database holds rows already (${filled.join(', ')}), and nothing is overwritten: create a new, empty ` +
        'database and restore into that, before any API is started on it',
    );
}

async function checkNoLater(client: pg.Client, backedUp: readonly MigrationId[]): Promise<void> {
  const { rows: found } = await client.query(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`);
  if (!found[0].there) return;
  const { rows } = await client.query<{ name: string }>(
    `SELECT migration_name AS name FROM _prisma_migrations WHERE rolled_back_at IS NULL AND migration_name <> ALL($1)`,
    [backedUp.map(({ name }) => name)],
  );
  if (rows.length > 0)
    throw new TrainyardError(
      'invalid_state',
      `the database has migration ${rows[0]!.name} already, which the backup is older than: create a new, empty ` +
        'database; restore applies the migrations itself, the later ones after the rows',
    );
}
