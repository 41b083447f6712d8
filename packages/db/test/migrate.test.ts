import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDatabase, type EmbeddedPostgres, startPostgres, startTestPostgres } from '@trainyard/embedded';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { migrate } from '../src/migrate.ts';

const CREATE = "CREATE TABLE animals (name text);\nINSERT INTO animals VALUES ('cat');\n";
// sha256sum of the text above, computed with coreutils
const CREATE_SHA256 = '065875dbc03ef6a36453ca02916dc0497f7c3bb44e1e8bdfe972ed1f02c7af51';

let server: EmbeddedPostgres;
let url: string;
let dir: string;
let databases = 0;

beforeAll(async () => {
  server = await startTestPostgres();
  dir = await mkdtemp(path.join(tmpdir(), 'trainyard-migrate-'));
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  databases += 1;
  url = await createDatabase(server.url, `migrate_${databases}`);
  await rm(dir, { recursive: true });
  await mkdir(dir);
  await write('20260101_create', CREATE);
});

async function write(name: string, sql: string): Promise<void> {
  await mkdir(path.join(dir, name), { recursive: true });
  await writeFile(path.join(dir, name, 'migration.sql'), sql);
}

async function query(sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

const records = () =>
  query(`SELECT migration_name, checksum, finished_at IS NOT NULL, rolled_back_at IS NOT NULL, applied_steps_count, logs
         FROM _prisma_migrations ORDER BY started_at`);

test('applies in the order of names, once, with the record that Prisma would make', async () => {
  await write('20260102_more', "INSERT INTO animals VALUES ('dog')");
  await writeFile(path.join(dir, 'migration_lock.toml'), 'provider = "postgresql"');
  expect(await migrate(url, dir)).toEqual(['20260101_create', '20260102_more']);
  expect(await migrate(url, dir)).toEqual([]);
  await write('20260103_last', "DELETE FROM animals WHERE name = 'cat'");
  expect(await migrate(url, dir)).toEqual(['20260103_last']);
  expect(await query('SELECT name FROM animals')).toEqual([['dog']]);
  expect((await records())[0]).toEqual(['20260101_create', CREATE_SHA256, true, false, 1, null]);
});

test('of starters at the same time exactly one applies', async () => {
  await write('20260102_slow', "SELECT pg_sleep(0.3); INSERT INTO animals VALUES ('dog')");
  const results = await Promise.all([migrate(url, dir), migrate(url, dir), migrate(url, dir)]);
  expect(results.map((names) => names.length).sort()).toEqual([0, 0, 2]);
  expect(await query('SELECT count(*)::int FROM animals')).toEqual([[2]]);
});

test('refuses a file edited after it was applied, before it applies anything', async () => {
  await migrate(url, dir);
  await write('20260101_create', `${CREATE}-- a comment`);
  await write('20260102_more', "INSERT INTO animals VALUES ('dog')");
  await expect(migrate(url, dir)).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/^migration 20260101_create was edited after it was applied/),
  });
  expect(await query('SELECT name FROM animals')).toEqual([['cat']]);
});

test('a failing migration leaves nothing but its record, and applies once it is put right', async () => {
  await write('20260102_bad', "INSERT INTO animals VALUES ('dog'); INSERT INTO absent VALUES (1)");
  await write('20260103_after', "INSERT INTO animals VALUES ('eel')");
  await expect(migrate(url, dir)).rejects.toMatchObject({
    code: 'internal',
    message: 'migration 20260102_bad failed and was rolled back: relation "absent" does not exist',
  });
  expect(await query('SELECT name FROM animals')).toEqual([['cat']]);
  const [, failed] = await records();
  expect(failed).toEqual([
    '20260102_bad',
    expect.any(String),
    false,
    true,
    0,
    'relation "absent" does not exist',
  ]);
  await write('20260102_bad', "INSERT INTO animals VALUES ('dog')");
  expect(await migrate(url, dir)).toEqual(['20260102_bad', '20260103_after']);
  expect(await query('SELECT name FROM animals')).toEqual([['cat'], ['dog'], ['eel']]);
});

test('a migration that Prisma left unfinished is refused with what to do', async () => {
  await migrate(url, dir);
  await query('UPDATE _prisma_migrations SET finished_at = NULL');
  await expect(migrate(url, dir)).rejects.toMatchObject({
    code: 'invalid_state',
    message: expect.stringContaining('prisma migrate resolve'),
  });
});

test('waits for a database that does not listen yet; says at once when the password is wrong', async () => {
  const wrong = url.replace(/\/\/trainyard:[^@]*@/, '//trainyard:wrong@');
  await expect(migrate(wrong, dir)).rejects.toMatchObject({ code: 'unavailable' });
  const dataDir = await mkdtemp(path.join(tmpdir(), 'trainyard-migrate-late-'));
  await chmod(dataDir, 0o755);
  const first = await startPostgres({ dataDir, durable: false });
  await first.stop();
  const applied = migrate(first.url, dir);
  const again = await startPostgres({ dataDir, durable: false });
  expect(again.url).toBe(first.url);
  expect(await applied).toEqual(['20260101_create']);
  await again.stop();
  await rm(dataDir, { recursive: true });
});
