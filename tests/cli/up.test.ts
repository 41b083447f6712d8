import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Dataset } from '@trainyard/contracts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { finish, isAlive, makeFolder, startCli, startUp, stop, type Up, until } from './cli-under-test.ts';

// A process for each command: slow where others use the cores too
vi.setConfig({ testTimeout: 240_000 });

let place: Awaited<ReturnType<typeof makeFolder>>;
let data: string;
let up: Up;
let adminKey: string;
let dataset: Dataset;

beforeAll(async () => {
  place = await makeFolder();
  data = join(place.folder, 'data');
});

afterAll(async () => {
  if (up) await stop(up.process);
  await place?.remove();
});

/** The process that a log's lines come from. */
async function pidIn(log: string): Promise<number> {
  const line = (await readFile(join(up.logs, log), 'utf8'))
    .trim()
    .split('\n')
    .findLast((one) => one.startsWith('{'));
  return JSON.parse(line!).pid;
}

const client = () => createClient({ baseUrl: up.url, apiKey: adminKey });
const liveWorker = async () => (await client().workers.list({ live: true })).data[0];

test('the first start shows an admin key once, writes it to no log, and serves', async () => {
  up = await startUp(data);
  expect(up.adminKey).toMatch(/^ty_/);
  adminKey = up.adminKey!;
  dataset = await client().datasets.create({ name: 'kept', kind: 'text' });
  await until('worker', liveWorker, 120);
  for (const name of await readdir(up.logs))
    expect(await readFile(join(up.logs, name), 'utf8')).not.toContain(adminKey);
});

test('a folder in use and a port in use are refused, and both are named', async () => {
  const port = new URL(up.url).port;
  const [folder, taken] = await Promise.all([
    finish(startCli(['up', '--data', data, '--port', '0'])),
    finish(startCli(['up', '--data', join(place.folder, 'other'), '--port', port])),
  ]);
  expect(folder).toMatchObject({ code: 2, stdout: '' });
  expect(folder.stderr).toContain(data);
  expect(folder.stderr).toContain(up.url);
  expect(taken).toMatchObject({ code: 2, stdout: '' });
  expect(taken.stderr).toContain(`Port ${port} is taken`);
});

test('killed outright it leaves no API or worker behind, and the next start has all the data', async () => {
  const worker = await until('worker', liveWorker, 120);
  const api = await pidIn('api.log');
  up.process.kill('SIGKILL');
  await until('end of the API and the worker', async () => !isAlive(api) && !isAlive(worker.pid), 30);
  up = await startUp(data);
  expect(up.adminKey).toBeNull();
  expect(await client().datasets.get(dataset.id)).toEqual({ ...dataset, latest_version: null });
});

test('SIGTERM stops the worker, the API and Postgres in order, with status 0', async () => {
  const worker = await until(
    'live worker',
    async () => {
      const found = await liveWorker();
      return found && isAlive(found.pid) && found;
    },
    60,
  );
  const pids = [worker.pid, await pidIn('api.log')];
  const postmaster = join(data, 'postgres/cluster/postmaster.pid');
  pids.push(Number.parseInt(await readFile(postmaster, 'utf8'), 10));
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  expect(await stop(up.process)).toBe(0);
  await expect(readFile(postmaster)).rejects.toThrow('ENOENT');
  // Postgres removes that file a moment before its process is gone
  await until('end of all three', async () => !pids.some(isAlive), 5);
});

test('stopped while it starts, it ends without a false alarm', async () => {
  const child = startCli(['up', '--data', data, '--port', '0']);
  const ended = finish(child);
  await until('lock of the folder', async () => (await readdir(data)).includes('running.json'), 30, 20);
  await sleep(300);
  child.kill('SIGINT');
  if (child.exitCode === null) await once(child, 'exit');
  const { stdout, stderr } = await ended;
  expect(stdout).toContain('SIGINT: stopping');
  expect(stderr).toBe('');
  expect(await readdir(data)).not.toContain('running.json');
});
