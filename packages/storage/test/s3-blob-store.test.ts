import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFauxqs } from 'fauxqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBlobStore } from '../src/index.ts';
import { collect } from './backends.ts';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
let server: Awaited<ReturnType<typeof startFauxqs>>;
let spoolFolder: string;

beforeAll(async () => {
  server = await startFauxqs({ port: 0, logger: false });
  server.createBucket('models');
  spoolFolder = await mkdtemp(join(tmpdir(), 'trainyard-spool-'));
});
afterAll(async () => {
  await server.stop();
  await rm(spoolFolder, { recursive: true });
});

test('a missing bucket is answered when the store is opened', async () => {
  const url = `s3://nowhere?endpoint=${server.address}`;
  await expect(openBlobStore(url, { credentials, spoolFolder })).rejects.toMatchObject({
    code: 'invalid_config',
    message: expect.stringContaining('"nowhere"'),
  });
});

test('a blob of the last hour is not uploaded again', async () => {
  const store = await openBlobStore(`s3://models?endpoint=${server.address}`, { credentials, spoolFolder });
  await store.put(new Uint8Array([1, 2, 3]));
  const before = await collect(store.list());
  await new Promise((resolve) => setTimeout(resolve, 5));
  await store.put(new Uint8Array([1, 2, 3]));
  expect(before).toHaveLength(1);
  expect(await collect(store.list())).toEqual(before);
  await store.close();
});

test('a failed multipart upload leaves neither object nor spool file', async () => {
  // S3 refuses to complete an upload whose parts are under 5 MiB.
  const partBytes = 1024 * 1024;
  const url = `s3://models/small-parts?endpoint=${server.address}`;
  const store = await openBlobStore(url, { credentials, spoolFolder, partBytes });
  const { sha256 } = await store.put(new Uint8Array(partBytes));
  await expect(store.put(new Uint8Array(3 * partBytes))).rejects.toMatchObject({ code: 'unavailable' });
  expect((await collect(store.list())).map((blob) => blob.sha256)).toEqual([sha256]);
  expect(await readdir(spoolFolder)).toEqual([]);
  await store.close();
});

test('a service that has gone is unavailable, and the message holds no credentials', async () => {
  const gone = await startFauxqs({ port: 0, logger: false });
  gone.createBucket('models');
  const secret = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'hunter2' };
  const store = await openBlobStore(`s3://models?endpoint=${gone.address}`, {
    credentials: secret,
    spoolFolder,
  });
  await gone.stop();
  const error = await store.put(new Uint8Array([9])).catch((caught) => caught);
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(error.message + store.location).not.toMatch(/hunter2|AKIDEXAMPLE/);
  expect(await readdir(spoolFolder)).toEqual([]);
  await store.close();
});
