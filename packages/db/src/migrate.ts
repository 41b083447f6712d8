import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { TrainyardError } from '@trainyard/contracts';
import type pg from 'pg';
import { connect } from './connect.ts';

/** The key of Prisma Migrate's own advisory lock, so that the two never run at once. */
const LOCK_KEY = 72707369;
const CONNECT_PATIENCE = 60_000; // ms: a database that starts beside us, or recovers from a crash
const LOCK_PATIENCE = '120s';

/** What tells one migration from another: its folder's name and the SHA-256 of its file, hex. */
export interface MigrationId {
  name: string;
  checksum: string;
}

interface Migration extends MigrationId {
  sql: string;
}

interface Recorded {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

/**
 * Applies the migrations `<migrationsDir>/<name>/migration.sql` that the database does not have, by name, and records
 * them in Prisma's table `_prisma_migrations`: `prisma migrate deploy` sees the same state and may be used instead.
 *
 * Unlike Prisma, a migration and its record are one transaction: a process killed half-way leaves nothing behind, and
 * a failed migration is recorded as rolled back, so that the next start tries it again. Statements that cannot run in
 * a transaction (CREATE INDEX CONCURRENTLY) are therefore not possible. With `last`, those after that one are left out.
 *
 * @returns the names applied now; of two that start at once, the second waits and applies nothing
 * @throws TrainyardError unavailable (no database within a minute), integrity (an applied file was edited),
 *   invalid_state (Prisma left a migration half done), internal (a migration's SQL fails), invalid_path (no migrations)
 */
export async function migrate(url: string, migrationsDir: string, last?: string): Promise<string[]> {
  const migrations = await readMigrations(migrationsDir);
  const client = await connect(url, CONNECT_PATIENCE);
  try {
    await lockMigrations(client);
    const recorded = await readRecorded(client);
    const wanted = migrations.filter(({ name }) => last === undefined || name <= last);
    const pending = wanted.filter((migration) => !isApplied(migration, recorded));
    for (const migration of pending) await apply(client, migration);
    return pending.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

export async function readMigrations(dir: string): Promise<Migration[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return await Promise.all(
      names.sort().map(async (name) => {
        const file = await readFile(path.join(dir, name, 'migration.sql'));
        return {
          name,
          sql: file.toString('utf8'),
          checksum: createHash('sha256').update(file).digest('hex'),
        };
      }),
    );
  } catch (cause) {
    const { message } = cause as Error;
    throw new TrainyardError('invalid_path', `cannot read the migrations in ${dir}: ${message}`, { cause });
  }
}

/** Keeps migrations from starting until the connection ends; a shared lock lets others hold it too. */
export async function lockMigrations(client: pg.Client, shared = false): Promise<void> {
  await client.query(`SET lock_timeout = '${LOCK_PATIENCE}'`);
  try {
    await client.query(`SELECT pg_advisory_lock${shared ? '_shared' : ''}($1)`, [LOCK_KEY]);
  } catch (cause) {
    if ((cause as { code?: string }).code !== '55P03') throw cause;
    throw new TrainyardError(
      'unavailable',
      `another process has been migrating or backing up this database for ${LOCK_PATIENCE}: wait for it or end it, ` +
        'then start again',
      { cause },
    );
  }
  await client.query('RESET lock_timeout');
}

async function readRecorded(client: pg.Client): Promise<Map<string, Recorded>> {
  await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0)`);
  const { rows } = await client.query<Recorded>(
    'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  );
  return new Map(rows.map((row) => [row.migration_name, row]));
}

function isApplied(migration: Migration, recorded: Map<string, Recorded>): boolean {
  const record = recorded.get(migration.name);
  if (record === undefined) return false;
  if (record.finished_at === null) {
    throw new TrainyardError(
      'invalid_state',
      `migration ${migration.name} was begun and not finished: put the database right by hand, then run ` +
        `"prisma migrate resolve" with --applied or --rolled-back ${migration.name}`,
    );
  }
  if (record.checksum !== migration.checksum) {
    throw new TrainyardError(
      'integrity',
      `migration ${migration.name} was edited after it was applied to this database: restore its file, and put the ` +
        'change into a new migration',
    );
  }
  return true;
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID();
  try {
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), 1)`,
      [id, checksum, name],
    );
    await client.query(sql);
    await client.query('COMMIT');
  } catch (cause) {
    const { message } = cause as Error;
    await client.query('ROLLBACK');
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, rolled_back_at) VALUES ($1, $2, $3, $4, now())`,
      [id, checksum, name, message],
    );
    throw new TrainyardError('internal', `migration ${name} failed and was rolled back: ${message}`, {
      cause,
    });
  }
}
