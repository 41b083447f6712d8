import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createDataset, migrate, openDatabase, recordImport, withSnapshot } from '@trainyard/db';
import { createDatabase, type EmbeddedPostgres, startTestPostgres } from '@trainyard/embedded';
import { type BlobStore, openBlobStore, writeCheckpoint } from '@trainyard/storage';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Backup, readBackup } from '../../apps/api/src/backup/backup-folder.ts';
import { createBackup } from '../../apps/api/src/backup/create-backup.ts';
import { restoreBackup } from '../../apps/api/src/backup/restore-backup.ts';
import { verifyBackup } from '../../apps/api/src/backup/verify-backup.ts';
import { verifyInstallation } from '../../apps/api/src/backup/verify-installation.ts';
import { startS3 } from '../../packages/storage/test/backends.ts';
import { maintain } from './maintenance.ts';

// A process for each command: slow where others use the cores too
vi.setConfig({ testTimeout: 240_000 });

const MIGRATIONS = resolve(import.meta.dirname, '../../prisma/migrations');
const RUN = '0190a5c4-0000-7000-8000-000000000001';
/** What text formats get wrong: separators, escapes, the mark of NULL, other scripts, quotes in arrays. */
const NASTY = 'tab\t, line\nbreak, \\N, \\., "quotes", {braces}, ünïcödé 🚂';

// sha256sum of an empty file
const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

let postgres: EmbeddedPostgres;
let root: string;
let databases = 0;
/** The installation that is backed up, and its blobs by what they are. */
let source: { databaseUrl: string; blobs: BlobStore };
let blob: { train: string; tokenizer: string; manifest: string; weights: string };
let checkpointId: string;
/** A backup of it that no test changes. */
let whole: string;
let backup: Backup;
/** An empty database, an empty store, and a copy of the backup, for each test. */
let target: { databaseUrl: string; blobs: BlobStore };
let folder: string;
let lines: string[];

const say = (line: string): void => void lines.push(line);
const emptyDatabase = (): Promise<string> => createDatabase(postgres.url, `backup_${++databases}`);
const back = (to: string, options = {}) =>
  createBackup({ ...source, folder: to, despiteDamage: false, prune: false, say, ...options });
const restore = (options = {}) =>
  restoreBackup({ ...target, folder, migrationsDir: MIGRATIONS, say, ...options });

async function query<T extends object>(url: string, sql: string): Promise<T[]> {
  const db = openDatabase(url, 1);
  return db.client.$queryRawUnsafe<T[]>(sql).finally(() => db.close());
}

/** Every row of every table as text. */
async function dump(url: string): Promise<Record<string, string[]>> {
  const tables = await query<{ name: string }>(
    url,
    `SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1`,
  );
  const rows: Record<string, string[]> = {};
  for (const { name } of tables)
    rows[name] = (await query<{ row: string }>(url, `SELECT t::text AS row FROM ${name} t ORDER BY 1`)).map(
      ({ row }) => row,
    );
  return rows;
}

const constraints = (url: string) =>
  query(
    url,
    `SELECT conname::text, pg_get_constraintdef(oid) AS definition FROM pg_constraint ORDER BY 1, 2`,
  );

async function hasRows(url: string): Promise<boolean> {
  return Object.values(await dump(url)).some((rows) => rows.length > 0);
}

async function makeInstallation(): Promise<void> {
  const databaseUrl = await emptyDatabase();
  await migrate(databaseUrl, MIGRATIONS);
  const blobs = await openBlobStore(join(root, 'source'));
  source = { databaseUrl, blobs };
  const put = async (text: string) => (await blobs.put(Buffer.from(text))).sha256;
  const train = await put('{"text":"words"}\n');
  const heldOut = await put('{"text":"more words"}\n');
  const tokenizer = await put('{"merges":[]}');
  const written = await writeCheckpoint(blobs, {
    runId: RUN,
    step: 0,
    epoch: 0,
    model: {},
    counters: {},
    cursor: { step: 0, seed: 0 },
    createdAt: '2030-01-31T12:00:00.000Z',
    files: { 'model.safetensors': Buffer.alloc(3_000_000, 7), 'optimizer.safetensors': Buffer.from('none') },
  });
  blob = { train, tokenizer, manifest: written.manifest.sha256, weights: written.files[0]!.sha256 };
  const db = openDatabase(databaseUrl);
  await db.transaction(async (tx) => {
    const { id } = await createDataset(tx, { name: 'words', kind: 'text', description: NASTY });
    await tx.datasetVersion.create({
      data: {
        datasetId: id,
        version: 1,
        contentHash: 'a'.repeat(64),
        content: { note: NASTY, none: null },
        blobs: [train, heldOut],
        heldOutFraction: 0.1 + 0.2,
        collectedUntil: new Date('2024-06-30'),
      },
    });
    const checkpoint = await recordImport(tx, {
      runId: RUN,
      kind: 'base',
      model: {},
      parameters: 1,
      name: NASTY,
      config: {},
      base: null,
      tokenizer: { vocabSize: 300, sha256: tokenizer },
      manifestSha256: written.manifest.sha256,
      blobs: [written.manifest.sha256, ...written.files.map(({ sha256 }) => sha256)],
      bytes: written.bytes,
    });
    checkpointId = checkpoint.id;
    await tx.checkpoint.update({ where: { id: checkpoint.id }, data: { tags: ['', NASTY, 'NULL'] } });
    await tx.runMetric.createMany({
      data: [1, 2, 3].map((step) => ({
        runId: RUN,
        epoch: 0,
        step,
        values: { loss: 1 / 3 },
        at: new Date(),
      })),
    });
    await tx.run.create({
      data: { stage: 'tokenizer', state: 'queued', config: {}, inputs: {}, seed: 1, maxAttempts: 3 },
    });
  });
  await db.close();
}

beforeAll(async () => {
  postgres = await startTestPostgres();
  root = await mkdtemp(join(tmpdir(), 'trainyard-backup-test-'));
  await makeInstallation();
  lines = [];
  whole = join(root, 'whole');
  backup = await back(whole);
});
beforeEach(async () => {
  lines = [];
  const place = await mkdtemp(join(root, 'test-'));
  target = { databaseUrl: await emptyDatabase(), blobs: await openBlobStore(join(place, 'store')) };
  folder = join(place, 'backup');
  await cp(whole, folder, { recursive: true });
});
afterAll(async () => {
  await postgres.stop();
  await rm(root, { recursive: true, force: true });
});

describe('a backup', () => {
  test('is restored to the last character, with its constraints, and ids go on where they were', async () => {
    expect(await restore()).toEqual(backup);
    expect(await dump(target.databaseUrl)).toEqual(await dump(source.databaseUrl));
    expect(await constraints(target.databaseUrl)).toEqual(await constraints(source.databaseUrl));
    const { counts, problems } = await verifyInstallation(target.databaseUrl, target.blobs);
    expect(problems).toEqual([]);
    expect(counts).toMatchObject({ 'dataset version': 1, tokenizer: 1, checkpoint: 1, blobs: 6 });
    const [next] = await query<{ id: bigint }>(
      target.databaseUrl,
      `INSERT INTO run_metrics (run_id, epoch, step, "values", at) VALUES ('${RUN}', 0, 4, '{}', now()) RETURNING id`,
    );
    expect(next).toEqual({ id: 4n });
  });

  test('goes into a bucket and comes out of it as from a folder', async () => {
    const bucket = await startS3();
    try {
      const installation = { databaseUrl: target.databaseUrl, blobs: await bucket.open() };
      await restore(installation);
      expect((await verifyInstallation(installation.databaseUrl, installation.blobs)).problems).toEqual([]);
      const again = join(folder, '../from-a-bucket');
      await back(again, installation);
      expect(lines.at(-1)).toMatch(/^6 blobs, 6 of them new/);
      expect(await verifyBackup(again)).toMatchObject({ problems: [] });
      await installation.blobs.delete(blob.weights);
      const { problems } = await verifyInstallation(installation.databaseUrl, installation.blobs);
      expect(problems).toEqual([expect.stringContaining(`There is no blob ${blob.weights}`)]);
      await installation.blobs.close();
    } finally {
      await bucket.stop();
    }
  });

  test('holds what the database was when it began, whatever is written meanwhile', async () => {
    const url = await emptyDatabase();
    await restore({ databaseUrl: url });
    await withSnapshot(url, async ({ tables, readRows }) => {
      await query(url, 'DELETE FROM run_metrics');
      const rows = readRows(tables.find(({ name }) => name === 'run_metrics')!);
      for await (const _ of rows);
      expect(rows.rowCount).toBe(3);
    });
  });

  test('copies only new blobs when it is made again, and removes what is no longer referred to if asked', async () => {
    const known = lines;
    await back(folder);
    expect(lines.at(-1)).toBe('6 blobs, 0 of them new (0 bytes).');
    expect((await readdir(folder)).filter((name) => name.startsWith('rows-'))).toHaveLength(1);
    const store = await openBlobStore(folder);
    const { sha256 } = await store.put(Buffer.from('of an earlier backup'));
    await truncate(store.path!(blob.weights), 10);
    await back(folder);
    expect(known.at(-1)).toBe('6 blobs, 1 of them new (3000000 bytes).');
    expect(await store.has(sha256)).toBe(true);
    await back(folder, { prune: true });
    expect(await store.has(sha256)).toBe(false);
    expect(await verifyBackup(folder)).toMatchObject({ problems: [] });
  });

  test('names every blob that the installation lacks, and is none; or is one without them, if asked', async () => {
    const place = join(root, 'damaged');
    await cp(source.blobs.location, place, { recursive: true });
    const blobs = await openBlobStore(place);
    await blobs.delete(blob.tokenizer);
    await truncate(blobs.path!(blob.weights), 2_999_999);
    const to = join(place, '../of-damaged');
    await expect(back(to, { blobs })).rejects.toMatchObject({
      code: 'integrity',
      details: expect.arrayContaining([
        { param: blob.tokenizer, message: expect.stringMatching(/^tokenizer .*: There is no blob/) },
        {
          param: blob.weights,
          message: expect.stringMatching(/^checkpoint .*: Blob .* is damaged: its content/),
        },
      ]),
    });
    await expect(readBackup(to)).rejects.toMatchObject({ code: 'invalid_path' });
    const { missing } = await back(to, { blobs, despiteDamage: true });
    expect(missing.map(({ sha256 }) => sha256).sort()).toEqual([blob.tokenizer, blob.weights].sort());
    await restore({ folder: to });
    const { problems } = await verifyInstallation(target.databaseUrl, target.blobs);
    expect(problems).toHaveLength(2);
  });

  test('goes neither into the store itself nor into a folder of other things', async () => {
    await writeFile(join(target.blobs.location, 'letter.txt'), 'Dear reader');
    for (const to of [source.blobs.location, target.blobs.location])
      await expect(back(to)).rejects.toMatchObject({
        code: 'invalid_path',
        message: expect.stringContaining(to),
      });
  });
});

describe('a restore refuses, and leaves no row behind,', () => {
  test('a database that holds rows, which it keeps', async () => {
    await migrate(target.databaseUrl, MIGRATIONS);
    await query(
      target.databaseUrl,
      `INSERT INTO pipelines (id, name) VALUES ('${RUN}', 'there') RETURNING id`,
    );
    const before = await dump(target.databaseUrl);
    await expect(restore()).rejects.toMatchObject({
      code: 'invalid_state',
      message: expect.stringMatching(/holds rows already \(pipelines\).*new, empty database/),
    });
    expect(await dump(target.databaseUrl)).toEqual(before);
  });

  test('an interrupted backup', async () => {
    await rm(join(folder, 'backup.json'));
    await expect(restore()).rejects.toMatchObject({
      code: 'invalid_path',
      message: expect.stringContaining('no complete backup'),
    });
  });

  test('a manifest that is none', async () => {
    await writeFile(join(folder, 'backup.json'), JSON.stringify({ ...backup, rows: '../elsewhere' }));
    await expect(restore()).rejects.toMatchObject({
      code: 'invalid_data',
      message: expect.stringContaining('/rows'),
    });
  });

  test.each([
    ['shorter', (file: string) => truncate(file, 20), /runs\.copy is damaged: it has 20 bytes/],
    ['missing', (file: string) => rm(file), /runs\.copy is damaged: ENOENT/],
    [
      'changed',
      async (file: string) =>
        writeFile(file, (await readFile(file, 'utf8')).replace('succeeded', 'successes')),
      /runs\.copy is damaged: its SHA-256/,
    ],
  ])('rows whose file is %s', async (_, damage, message) => {
    await damage(join(folder, backup.rows, 'runs.copy'));
    await expect(restore()).rejects.toMatchObject({
      code: 'integrity',
      message: expect.stringMatching(message),
    });
    expect(await hasRows(target.databaseUrl)).toBe(false);
  });

  test('a backup with a missing and a damaged blob, both named', async () => {
    const store = await openBlobStore(folder);
    await store.delete(blob.train);
    await writeFile(store.path!(blob.weights), Buffer.alloc(3_000_000, 8));
    await expect(restore()).rejects.toMatchObject({
      code: 'integrity',
      details: expect.arrayContaining([
        { param: blob.train, message: expect.stringContaining(blob.train) },
        { param: blob.weights, message: expect.stringContaining('is damaged') },
      ]),
    });
    expect(await hasRows(target.databaseUrl)).toBe(false);
    const { problems } = await verifyBackup(folder);
    expect(problems).toHaveLength(2);
  });

  test('rows that contradict each other', async () => {
    const tables = backup.tables.map((table) =>
      table.name === 'runs' ? { ...table, rows: 0, bytes: 0, sha256: SHA256_OF_NOTHING } : table,
    );
    await writeFile(join(folder, 'backup.json'), JSON.stringify({ ...backup, tables }));
    await writeFile(join(folder, backup.rows, 'runs.copy'), '');
    await expect(restore()).rejects.toMatchObject({
      code: 'invalid_data',
      message: expect.stringContaining('foreign key'),
    });
    expect(await hasRows(target.databaseUrl)).toBe(false);
    expect(await constraints(target.databaseUrl)).toEqual(await constraints(source.databaseUrl));
  });

  test('a backup of a later version', async () => {
    const later = { name: '20990101000000_later', checksum: 'b'.repeat(64) };
    const migrations = [...backup.migrations, later];
    await writeFile(join(folder, 'backup.json'), JSON.stringify({ ...backup, migrations }));
    await expect(restore()).rejects.toMatchObject({
      code: 'invalid_state',
      message: expect.stringMatching(/20990101000000_later, which this version .* does not know/),
    });
  });
});

describe('a backup of an earlier version', () => {
  let later: string;
  beforeEach(async () => {
    later = join(folder, '../migrations');
    await cp(MIGRATIONS, later, { recursive: true });
    await mkdir(join(later, '20990101000000_later'));
    await writeFile(
      join(later, '20990101000000_later/migration.sql'),
      'ALTER TABLE runs RENAME COLUMN name TO title; UPDATE runs SET seed = seed + 100',
    );
  });

  test('is migrated once its rows are there', async () => {
    await restore({ migrationsDir: later });
    const rows = await query(target.databaseUrl, 'SELECT title, seed FROM runs ORDER BY seed');
    expect(rows).toEqual([
      { title: NASTY, seed: 100 },
      { title: null, seed: 101 },
    ]);
  });

  test('is refused where the later migration is there already', async () => {
    await migrate(target.databaseUrl, later);
    await expect(restore({ migrationsDir: later })).rejects.toMatchObject({
      code: 'invalid_state',
      message: expect.stringMatching(/has migration 20990101000000_later already.*new, empty database/),
    });
  });
});

test('verifying names what is missing, damaged or contradictory, and whose it is', async () => {
  await restore();
  const { databaseUrl, blobs } = target;
  await blobs.delete(blob.train);
  await truncate(blobs.path!(blob.manifest), 5);
  const first = await verifyInstallation(databaseUrl, blobs);
  expect(first.problems).toEqual([
    expect.stringMatching(new RegExp(`^checkpoint ${checkpointId} .*, manifest: Blob ${blob.manifest}`)),
    expect.stringMatching(new RegExp(`^dataset version words@1, blob: There is no blob ${blob.train}`)),
  ]);
  await query(databaseUrl, `UPDATE checkpoints SET step = 9, blobs = array_remove(blobs, '${blob.weights}')`);
  await query(databaseUrl, `UPDATE tokenizers SET sha256 = '${'c'.repeat(64)}'`);
  await restoreBackup({
    databaseUrl: await emptyDatabase(),
    blobs,
    folder,
    migrationsDir: MIGRATIONS,
    say,
  }); // puts the damaged blobs right
  const second = await verifyInstallation(databaseUrl, blobs);
  expect(second.problems).toEqual([
    expect.stringMatching(/^checkpoint .*, manifest: it says step 0, the row 9$/),
    expect.stringMatching(/^checkpoint .*, model\.safetensors: the row does not name its blob/),
    expect.stringMatching(/^tokenizer .*, blob: There is no blob ccc/),
  ]);
});

describe('the command line', () => {
  const place = () => ({ databaseUrl: source.databaseUrl, storageUrl: source.blobs.location });

  test('backs up, verifies and restores', async () => {
    const made = await maintain(['backup', '--to', folder], place());
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(/rows of \d+ tables[\s\S]*6 blobs, 0 of them new[\s\S]*is complete\.\n$/);
    expect(await maintain(['verify', '--from', folder])).toMatchObject({ code: 0, stderr: '' });
    const { databaseUrl } = target;
    const empty = { databaseUrl, storageUrl: target.blobs.location };
    expect(await maintain(['restore', '--from', folder], empty)).toMatchObject({ code: 0, stderr: '' });
    await target.blobs.delete(blob.train);
    const verified = await maintain(['verify'], empty);
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining('1 problems') });
    expect(verified.stderr).toContain('dataset version words@1');
  });

  test.each([
    ['a wrong command', ['bakcup'], 2, /no command "bakcup"\nUsage/],
    ['a missing flag', ['backup'], 2, /--to FOLDER is missing/],
    ['a file for a folder', ['backup', '--to', import.meta.filename], 1, /^error: cannot read .*\n$/],
    ['no backup', ['restore', '--from', tmpdir()], 1, /^error: .* holds no complete backup.*\n$/],
  ])('says what is wrong with %s', async (_, args, code, message) => {
    const ended = await maintain(args, place());
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(message);
  });

  test('says what is wrong with its environment, without the password', async () => {
    const [none, nowhere] = await Promise.all([
      maintain(['verify']),
      maintain(['backup', '--to', folder], {
        ...place(),
        databaseUrl: 'postgres://me:secret@127.0.0.1:9/x',
      }),
    ]);
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('DATABASE_URL') });
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: cannot connect.*\n$/) });
    expect(nowhere.stderr).not.toContain('secret');
  });
});
