import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@trainyard/db';
import { createDatabase, type EmbeddedPostgres, startTestPostgres } from '@trainyard/embedded';
import { openQueue } from '@trainyard/queue';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../apps/api/src/config.ts';
import { ENVIRONMENT } from '../../apps/api/src/environment.ts';
import { freePort, startRedisServer } from '../../packages/queue/test/redis-server.ts';
import { API_SOURCE, SOURCE_ARGV } from './api-under-test.ts';

let postgres: EmbeddedPostgres;
let folder: string;
let count = 0;
const running: ChildProcess[] = [];
const PATIENT = { timeout: 40_000 };

beforeAll(async () => {
  postgres = await startTestPostgres();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-server-test-'));
});
afterEach(() => {
  for (const server of running.splice(0)) server.kill('SIGKILL');
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function database(): Promise<string> {
  const url = await createDatabase(postgres.url, `server_${++count}`);
  await migrate(url, join(API_SOURCE, '../../../prisma/migrations'));
  return url;
}

/** The API as its own process, and what it says. */
async function start(environment: Record<string, string>) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = spawn(process.execPath, [...SOURCE_ARGV, join(API_SOURCE, 'main.ts')], {
    env: { PATH: process.env.PATH, STORAGE_URL: join(folder, 'store'), PORT: String(port), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(server);
  const said = { out: '', err: '' };
  server.stdout.on('data', (data) => {
    said.out += data;
  });
  server.stderr.on('data', (data) => {
    said.err += data;
  });
  const exit = once(server, 'exit') as Promise<[number | null, string | null]>;
  const ready = () =>
    expect
      .poll(
        () =>
          fetch(`${origin}/livez`).then(
            ({ status }) => status,
            () => 0,
          ),
        PATIENT,
      )
      .toBe(200);
  return { server, origin, said, exit, ready };
}

const submit = async (
  origin: string,
  key: string,
  path: string,
  body: object | string,
  type = 'application/json',
) => {
  const response = await fetch(`${origin}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string };
};

async function submitRun(origin: string, key: string): Promise<string> {
  const { id } = await submit(origin, key, 'datasets', { name: 'words', kind: 'text' });
  await submit(origin, key, `datasets/${id}/versions?held_out_fraction=0`, 'some words', 'text/plain');
  return (await submit(origin, key, 'runs', { stage: 'tokenizer', inputs: { datasets: ['words'] } })).id;
}

it('shows the first admin key once, and stops in good order with a watcher at the door', async () => {
  const DATABASE_URL = await database();
  const first = await start({ DATABASE_URL });
  await first.ready();
  const [line, key] = /^First admin API key, shown this once: (ty_\S+)\n/.exec(first.said.out) ?? [];
  expect(line).toBeDefined();
  const id = await submitRun(first.origin, key!);
  const stream = await fetch(`${first.origin}/v1/runs/${id}/stream`, {
    headers: { authorization: `Bearer ${key}` },
  });
  first.server.kill('SIGTERM');
  const text = await stream.text();
  expect(text).toContain('retry: 1000');
  expect(await first.exit).toEqual([0, null]);
  expect(first.said.out.match(/ty_/g)?.length).toBe(1);
  expect(first.said.out).not.toContain(DATABASE_URL);

  const second = await start({ DATABASE_URL });
  await second.ready();
  expect(second.said.out).not.toContain('First admin');
  const me = await fetch(`${second.origin}/v1/me`, { headers: { authorization: `Bearer ${key}` } });
  expect(me.status).toBe(200);
  second.server.kill('SIGINT');
  expect(await second.exit).toEqual([0, null]);
});

it('accepts runs while Redis is away, and hands them over once it is there', async () => {
  const redis = await startRedisServer();
  try {
    await redis.kill();
    const key = 'an-admin-key-of-the-environment';
    const api = await start({
      DATABASE_URL: await database(),
      REDIS_URL: redis.url,
      TRAINYARD_ADMIN_KEY: key,
      RECONCILE_SECONDS: '0.3',
    });
    await api.ready();
    const ready = async () => (await fetch(`${api.origin}/readyz`)).json();
    expect(await ready()).toEqual({ status: 'ready', checks: { database: 'ok', queue: 'unavailable' } });
    await submitRun(api.origin, key);
    await redis.start();
    const queue = await openQueue({ redisUrl: redis.url });
    await expect.poll(async () => (await queue.depth(['tokenizer'])).tokenizer, PATIENT).toBe(1);
    await expect.poll(ready, PATIENT).toMatchObject({ checks: { queue: 'ok' } });
    await queue.close();
    api.server.kill('SIGTERM');
    expect(await api.exit).toEqual([0, null]);
    expect(api.said.out).not.toContain('First admin');
  } finally {
    await redis.stop();
  }
});

it('says what is wrong with its environment and ends', async () => {
  const { said, exit } = await start({ PORT: 'eighty', LOG_LEVEL: 'loud' });
  expect(await exit).toEqual([1, null]);
  for (const name of ['DATABASE_URL', 'PORT', 'LOG_LEVEL']) expect(said.err).toContain(name);
  expect(said.err.trim().split('\n').length).toBe(1);
});

describe('the configuration', () => {
  const least = { DATABASE_URL: 'postgres://a@b/c', STORAGE_URL: '/data' };

  it('has defaults for all but two variables, each described', () => {
    expect(readConfig(least)).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      redisUrl: undefined,
      leaseSeconds: 8,
      reconcileSeconds: 1,
      inferenceBackend: 'auto',
      importRoots: [],
      maxUploadBytes: 10 * 2 ** 30,
    });
    for (const { description } of Object.values(ENVIRONMENT)) expect(description.length).toBeGreaterThan(20);
  });

  it('takes an empty variable for an absent one, and one backend for both', () => {
    expect(readConfig({ ...least, REDIS_URL: '', PORT: '' })).toMatchObject({
      redisUrl: undefined,
      port: 8080,
    });
    expect(readConfig({ ...least, TRAINYARD_BACKEND: 'wasm' }).inferenceBackend).toBe('wasm');
    const both = { ...least, TRAINYARD_BACKEND: 'wasm', INFERENCE_BACKEND: 'cpu' };
    expect(readConfig(both).inferenceBackend).toBe('cpu');
    expect(readConfig({ ...least, IMPORT_ROOTS: '/a:/b/c' }).importRoots).toEqual(['/a', '/b/c']);
  });

  it.each([
    ['PORT', '70000'],
    ['PORT', '80.5'],
    ['MAX_UPLOAD_BYTES', '0'],
    ['LEASE_SECONDS', 'soon'],
    ['RECONCILE_SECONDS', '0'],
    ['TRAINYARD_BACKEND', 'quantum'],
    ['INFERENCE_BACKEND', 'quantum'],
    ['IMPORT_ROOTS', 'relative/folder'],
    ['TRAINYARD_ADMIN_KEY', 'short'],
  ])('refuses %s=%s', (name, value) => {
    expect(() => readConfig({ ...least, [name]: value })).toThrow(name);
  });
});
