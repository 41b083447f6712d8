import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BlobStore, collectGarbage } from '../src/index.ts';
import { BACKENDS, type Backend, collect } from './backends.ts';

const MINUTE_MS = 60_000;

describe.each(BACKENDS)('garbage in a %s', (_, start) => {
  let backend: Backend;
  let store: BlobStore;
  beforeAll(async () => {
    backend = await start();
    store = await backend.open();
  });
  afterAll(async () => {
    await store.close();
    await backend.stop();
  });

  test('goes only when it is old and nothing refers to it', async () => {
    const [kept, unreferenced, other] = [
      await store.put(new Uint8Array(10)),
      await store.put(new Uint8Array(20)),
      await store.put(new Uint8Array(30)),
    ];
    const onlyKept = async (sha256: string) => sha256 === kept.sha256;
    const aMinuteAgo = new Date(Date.now() - MINUTE_MS);
    expect(await collectGarbage(store, { isReferenced: onlyKept, olderThan: aMinuteAgo })).toEqual({
      deleted: 0,
      bytes: 0,
    });
    expect(await collect(store.list())).toHaveLength(3);

    const soon = new Date(Date.now() + MINUTE_MS);
    const asked: string[] = [];
    const isReferenced = async (sha256: string) => {
      asked.push(sha256);
      return sha256 !== unreferenced.sha256;
    };
    expect(await collectGarbage(store, { isReferenced, olderThan: soon })).toEqual({
      deleted: 1,
      bytes: 20,
    });
    expect(new Set(asked)).toEqual(new Set([kept, unreferenced, other].map((ref) => ref.sha256)));
    expect(await collectGarbage(store, { isReferenced: onlyKept, olderThan: soon })).toEqual({
      deleted: 1,
      bytes: 30,
    });
    expect((await collect(store.list())).map((blob) => blob.sha256)).toEqual([kept.sha256]);
  });

  test('a blob that is put again while it is judged stays', async () => {
    const later = await backend.open({ now: () => new Date(Date.now() + 120 * MINUTE_MS) });
    const content = new TextEncoder().encode('wanted again');
    const ref = await store.put(content);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // S3 tells Last-Modified in whole seconds
    const olderThan = new Date();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const putAgain = async (sha256: string) => {
      if (sha256 === ref.sha256) await later.put(content);
      return sha256 !== ref.sha256;
    };
    expect(await collectGarbage(store, { isReferenced: putAgain, olderThan })).toEqual({
      deleted: 0,
      bytes: 0,
    });
    expect(await store.read(ref)).toEqual(content);
    await later.close();
  });
});
