import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { createDatabase, type EmbeddedPostgres, startPostgres, startTestPostgres } from '../src/index.ts';
import { findPostmaster } from '../src/postmaster.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function folder(mode = 0o755): Promise<string> {
  const made = await realpath(await mkdtemp(path.join(tmpdir(), 'trainyard-embedded-')));
  await chmod(made, mode);
  cleanups.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function start(dataDir: string, durable = false): Promise<EmbeddedPostgres> {
  const postgres = await startPostgres({ dataDir, durable });
  cleanups.push(() => postgres.stop());
  return postgres;
}

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

const postmasterPid = async (dataDir: string) =>
  Number((await readFile(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[0]);

test('a restart keeps rows, port and password; the password file is private; stop is idempotent', async () => {
  const dataDir = path.join(await folder(), 'made', 'by', 'start');
  const first = await start(dataDir);
  expect(first.url).toMatch(
    new RegExp(`^postgres://trainyard:[\\w-]{32}@127\\.0\\.0\\.1:${first.port}/trainyard$`),
  );
  await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS seven');
  expect(await query(first.url, 'SHOW listen_addresses')).toEqual([['127.0.0.1']]);
  expect(await query(first.url, 'SHOW max_connections')).toEqual([['200']]);
  await first.stop();
  await first.stop();
  await expect(query(first.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
  const second = await start(dataDir);
  expect(second.url).toBe(first.url);
  expect(await query(second.url, 'SELECT seven FROM kept')).toEqual([[7]]);
  expect((await stat(path.join(dataDir, 'connection.json'))).mode & 0o777).toBe(0o600);
  await expect(query(second.url.replace(/:[\w-]{32}@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(/password/);
});

test('adopts the server that a killed process left running', async () => {
  const dataDir = await folder();
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', path.join(import.meta.dirname, 'start-and-wait.ts'), dataDir],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [printed] = (await once(child.stdout, 'data')) as [Buffer];
  const url = printed.toString().trim();
  await query(url, 'CREATE TABLE kept AS SELECT 8 AS eight');
  const pid = await postmasterPid(dataDir);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const adopted = await start(dataDir);
  expect(adopted.url).toBe(url);
  expect(await postmasterPid(dataDir)).toBe(pid);
  expect(await query(adopted.url, 'SELECT eight FROM kept')).toEqual([[8]]);
  await adopted.stop();
  await expect(query(url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
});

test('recovers committed rows after a SIGKILL of the server', async () => {
  const dataDir = await folder();
  const first = await start(dataDir, true);
  await query(first.url, 'CREATE TABLE kept AS SELECT 9 AS nine');
  process.kill(await postmasterPid(dataDir), 'SIGKILL');
  const second = await start(dataDir, true);
  expect(await query(second.url, 'SELECT nine FROM kept')).toEqual([[9]]);
});

test('a postmaster.pid that is just being written is left alone; one that stayed empty is no obstacle', async () => {
  const pgdata = await folder();
  const file = path.join(pgdata, 'postmaster.pid');
  await writeFile(file, '');
  expect(await findPostmaster(pgdata)).toBeUndefined();
  expect(await readFile(file, 'utf8')).toBe('');
  const before = new Date(Date.now() - 60_000);
  await utimes(file, before, before);
  expect(await findPostmaster(pgdata)).toBeUndefined();
  await expect(readFile(file)).rejects.toThrow('ENOENT');
});

test('a postmaster.pid whose process is another program now is no obstacle', async () => {
  const dataDir = await folder();
  const first = await start(dataDir);
  const file = path.join(dataDir, 'cluster', 'postmaster.pid');
  const lines = (await readFile(file, 'utf8')).split('\n');
  await first.stop();
  await writeFile(file, [String(process.pid), ...lines.slice(1)].join('\n'));
  const second = await start(dataDir);
  expect(await query(second.url, 'SELECT 1')).toEqual([[1]]);
  expect(await postmasterPid(dataDir)).not.toBe(process.pid);
});

test('two folders are two servers, also when started at once; starters of one folder share one', async () => {
  const [one, two] = [await folder(), await folder()];
  const starters = [one, two, one, one, one].map((dataDir) => start(dataDir));
  const [a, b, ...again] = (await Promise.all(starters)) as [EmbeddedPostgres, EmbeddedPostgres];
  expect(a.port).not.toBe(b.port);
  expect(again.map(({ url }: EmbeddedPostgres) => url)).toEqual([a.url, a.url, a.url]);
  expect((await readdir(one)).filter((name) => name.startsWith('connection.json'))).toEqual([
    'connection.json',
  ]);
  await query(a.url, 'CREATE TABLE only_in_a (x int)');
  expect(await query(b.url, "SELECT to_regclass('only_in_a') IS NULL")).toEqual([[true]]);
});

test('refuses a folder with something else in it, and leaves it as it was', async () => {
  const dataDir = await folder();
  await writeFile(path.join(dataDir, 'thesis.txt'), 'mine');
  await expect(startPostgres({ dataDir })).rejects.toMatchObject({
    code: 'invalid_path',
    message: `${dataDir} is not empty and holds no Trainyard database: choose another folder, or an empty one`,
  });
  await expect(stat(path.join(dataDir, 'connection.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(startPostgres({ dataDir: path.join(dataDir, 'thesis.txt') })).rejects.toMatchObject({
    code: 'invalid_path',
  });
});

test('a wanted port that is taken is a conflict; a remembered one gives way', async () => {
  const dataDir = await folder();
  const first = await start(dataDir);
  await first.stop();
  const squatter = createServer().listen(first.port, '127.0.0.1');
  await once(squatter, 'listening');
  cleanups.push(async () => squatter.close());
  await expect(startPostgres({ dataDir, port: first.port })).rejects.toMatchObject({ code: 'conflict' });
  const second = await start(dataDir);
  expect(second.port).not.toBe(first.port);
  expect(await query(second.url, 'SELECT 1')).toEqual([[1]]);
});

if (process.getuid?.() === 0)
  test('root with a private folder: the files go where the server may', async () => {
    const dataDir = await folder(0o700);
    const postgres = await start(dataDir);
    expect(await query(postgres.url, 'SELECT 1')).toEqual([[1]]);
    expect((await lstat(path.join(dataDir, 'cluster'))).isSymbolicLink()).toBe(true);
    const pgdata = await realpath(path.join(dataDir, 'cluster'));
    expect((await stat(pgdata)).uid).not.toBe(0);
    cleanups.unshift(() => rm(path.dirname(pgdata), { recursive: true }));
  });

test('a test server: a database cloned from a template is its own; stop removes the folder', async () => {
  const postgres = await startTestPostgres();
  cleanups.push(() => postgres.stop());
  const dataDir = path.dirname((await query(postgres.url, 'SHOW data_directory'))[0]![0] as string);
  const template = await createDatabase(postgres.url, 'template');
  await query(template, 'CREATE TABLE numbers AS SELECT 5 AS five');
  const [one, two] = await Promise.all([
    createDatabase(postgres.url, 'one', 'template'),
    createDatabase(postgres.url, 'two "quoted"', 'template'),
  ]);
  await query(one, 'UPDATE numbers SET five = 6');
  expect(await query(two, 'SELECT five FROM numbers')).toEqual([[5]]);
  await postgres.stop();
  await expect(stat(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
});
