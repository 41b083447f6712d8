import { join } from 'node:path';
import { createClient } from '@trainyard/contracts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { finish, makeFolder, startCli, startUp, stop, type Up } from './cli-under-test.ts';

// A process for each command: slow where others use the cores too
vi.setConfig({ testTimeout: 480_000 });

let place: Awaited<ReturnType<typeof makeFolder>>;
let data: string;
let backup: string;
let up: Up | undefined;

beforeAll(async () => {
  place = await makeFolder();
  data = join(place.folder, 'data');
  backup = join(place.folder, 'backup');
});

afterAll(async () => {
  if (up) await stop(up.process);
  await place?.remove();
});

const cli = (...args: string[]) => finish(startCli(args));

test('a data folder is backed up while it is in use, and restored into another one', async () => {
  up = await startUp(data);
  const key = up.adminKey!;
  const dataset = await createClient({ baseUrl: up.url, apiKey: key }).datasets.create({
    name: 'kept',
    kind: 'text',
  });
  const made = await cli('backup', '--data', data, '--to', backup);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  const taken = await cli('restore', '--data', data, '--from', backup);
  expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining(up.url) });
  expect(await stop(up.process)).toBe(0);

  const filled = await cli('restore', '--data', data, '--from', backup);
  expect(filled).toMatchObject({ code: 1, stderr: expect.stringContaining('holds rows already') });
  const fresh = join(place.folder, 'fresh');
  expect(await cli('restore', '--data', fresh, '--from', backup)).toMatchObject({ code: 0, stderr: '' });
  expect(await cli('verify', '--data', fresh)).toMatchObject({ code: 0, stderr: '' });
  up = await startUp(fresh);
  expect(up.adminKey).toBeNull();
  const restored = createClient({ baseUrl: up.url, apiKey: key });
  expect(await restored.datasets.get(dataset.id)).toEqual({ ...dataset, latest_version: null });
});

test('a folder without an installation and a missing flag are refused with status 2', async () => {
  const absent = await cli('verify', '--data', join(place.folder, 'absent'));
  expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('holds no installation') });
  const missing = await cli('backup', '--data', data);
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('--to') });
});
