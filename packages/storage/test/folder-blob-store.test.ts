import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BlobStore, openBlobStore } from '../src/index.ts';
import { storageError } from '../src/storage-error.ts';
import { collect } from './backends.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
let root: string;
let store: BlobStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard folder '));
  store = await openBlobStore(pathToFileURL(root).href);
});
afterEach(() => rm(root, { recursive: true }));

test('an existing blob keeps its file; a damaged one is replaced by the same content', async () => {
  const content = new TextEncoder().encode('written once');
  const { sha256 } = await store.put(content);
  const path = store.path!(sha256);
  expect(path).toBe(join(root, 'blobs', sha256.slice(0, 2), sha256));
  const { ino } = await stat(path);
  await store.put(content);
  expect((await stat(path)).ino).toBe(ino);
  await writeFile(path, 'written twice');
  await store.put(content);
  expect(await readFile(path, 'utf8')).toBe('written once');
});

test('a writer killed midway leaves no blob, and its temporary file goes after a day', async () => {
  const script = `
    import { openBlobStore } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
    const store = await openBlobStore(${JSON.stringify(root)});
    await store.put((async function* () {
      yield new Uint8Array(100_000).fill(7);
      process.stdout.write('half');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    })());`;
  const options = ['--conditions=source', '--import', 'tsx', '--input-type=module', '--eval', script];
  const writer = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(writer.stdout!, 'data');
  expect(String(output)).toBe('half');
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  expect(await collect(store.list())).toEqual([]);
  const [leftover] = await readdir(join(root, 'tmp'));
  expect((await stat(join(root, 'tmp', leftover!))).size).toBe(100_000);

  await openBlobStore(root);
  expect(await readdir(join(root, 'tmp'))).toEqual([leftover]);
  await openBlobStore(root, { now: () => new Date(Date.now() + DAY_MS + 60_000) });
  expect(await readdir(join(root, 'tmp'))).toEqual([]);
});

test('a full disk is told as such', async () => {
  // The device that always answers ENOSPC (full(4)); where there is none, the system's error is made by hand.
  const cause = await writeFile('/dev/full', 'x').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => (error.code === 'ENOSPC' ? error : undefined),
  );
  const full = cause ?? Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  expect(storageError(full, 'writing')).toMatchObject({ code: 'storage_full', cause: full });
  const quota = { name: 'XMinioStorageFull', $metadata: { httpStatusCode: 507 } };
  expect(storageError(quota, 'writing')).toMatchObject({ code: 'storage_full' });
});

test('a folder that cannot be one is answered when it is opened', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(openBlobStore(join(root, 'file'))).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(join(root, 'file')),
  });
});

test.each([
  'relative/folder',
  'ftp://host/folder',
  'file://host/folder',
  'file:///a%2Fb',
  's3:///prefix',
  's3://bucket/a%20b',
  's3://bucket?endpoint=ftp://host',
  's3://bucket?endpoint=nonsense',
  's3://bucket?forcePathStyle=yes',
  's3://bucket?secretAccessKey=hunter2',
  's3://key:hunter2@bucket',
  's3://bucket?endpoint=http://key:hunter2@host',
])('the address %s is refused without repeating secrets', async (url) => {
  const error = await openBlobStore(url).catch((caught) => caught);
  expect(error).toMatchObject({ code: 'invalid_config', param: 'storage' });
  expect(error.message).not.toContain('hunter2');
});
