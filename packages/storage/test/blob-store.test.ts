import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlobStore } from '../src/index.ts';
import { BACKENDS, type Backend, collect, keyOf } from './backends.ts';

const HOUR_MS = 60 * 60 * 1000;
/** SHA-256 of "abc" from FIPS 180-2, appendix B.1. */
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const bytes = (text: string) => new TextEncoder().encode(text);
const hashOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

describe.each(BACKENDS)('blobs in a %s', (_, start) => {
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

  test('content is stored under its SHA-256 and comes back', async () => {
    expect(await store.put(bytes('abc'))).toEqual({ sha256: ABC, bytes: 3 });
    expect(await store.read({ sha256: ABC, bytes: 3 })).toEqual(bytes('abc'));
    expect(await store.has(ABC)).toBe(true);
    expect(await store.size(ABC)).toBe(3);
    expect(Buffer.from(await backend.readRaw(keyOf(ABC))).toString()).toBe('abc');
    expect(await backend.leftovers()).toEqual([]);
  });

  test('an empty blob is a blob', async () => {
    expect(await store.put([])).toEqual({ sha256: NOTHING, bytes: 0 });
    expect(await store.read({ sha256: NOTHING })).toEqual(new Uint8Array(0));
    expect(await collect(await store.open({ sha256: NOTHING }))).toEqual([]);
  });

  test('a stream of unknown length, larger than one part, is stored whole', async () => {
    const content = randomBytes(11 * 1024 * 1024 + 17);
    async function* chunks() {
      for (let at = 0; at < content.length; at += 300_007) yield content.subarray(at, at + 300_007);
    }
    const ref = await store.put(chunks());
    expect(ref).toEqual({ sha256: hashOf(content), bytes: content.length });
    expect(Buffer.compare(await store.read(ref), content)).toBe(0);
    const streamed = Buffer.concat(await collect<Uint8Array>(await store.open(ref)));
    expect(Buffer.compare(streamed, content)).toBe(0);
    const range = { start: 5_000_000, end: 5_300_001 };
    const part = Buffer.concat(await collect<Uint8Array>(await store.open(ref, range)));
    expect(Buffer.compare(part, content.subarray(range.start, range.end))).toBe(0);
  });

  test('ranges are half-open and must lie within the blob', async () => {
    const ref = await store.put(bytes('0123456789'));
    const text = async (start: number, end: number) =>
      Buffer.concat(await collect<Uint8Array>(await store.open(ref, { start, end }))).toString();
    expect(await text(2, 5)).toBe('234');
    expect(await text(9, 10)).toBe('9');
    expect(await text(4, 4)).toBe('');
    for (const [start, end] of [
      [-1, 2],
      [3, 2],
      [0, 11],
      [0.5, 2],
    ] as const) {
      await expect(store.open(ref, { start, end })).rejects.toMatchObject({
        code: 'invalid_request',
        param: 'range',
      });
    }
  });

  test('a source that fails midway leaves nothing and its error passes unchanged', async () => {
    const failure = new Error('the upload was aborted');
    async function* broken() {
      yield randomBytes(6 * 1024 * 1024);
      throw failure;
    }
    const before = await collect(store.list());
    await expect(store.put(broken())).rejects.toBe(failure);
    expect(await collect(store.list())).toEqual(before);
    expect(await backend.leftovers()).toEqual([]);
  });

  test('concurrent puts of the same content give one blob', async () => {
    const content = randomBytes(200_000);
    const refs = await Promise.all(Array.from({ length: 8 }, () => store.put(content)));
    expect(new Set(refs.map((ref) => ref.sha256))).toEqual(new Set([hashOf(content)]));
    const listed = (await collect(store.list())).filter((blob) => blob.sha256 === refs[0]!.sha256);
    expect(listed).toHaveLength(1);
    expect(Buffer.compare(await store.read(refs[0]!), content)).toBe(0);
  });

  test('a flipped bit is found by read and by a whole stream, whatever else is intact', async () => {
    const content = randomBytes(150_000);
    const ref = await store.put(content);
    const damaged = Uint8Array.from(content);
    damaged[149_999]! ^= 1;
    await backend.writeRaw(keyOf(ref.sha256), damaged);
    const integrity = { code: 'integrity', param: ref.sha256, message: expect.stringContaining(ref.sha256) };
    await expect(store.read(ref)).rejects.toMatchObject(integrity);
    await expect(store.read({ sha256: ref.sha256 })).rejects.toMatchObject(integrity);
    await expect(collect(await store.open(ref))).rejects.toMatchObject(integrity);
  });

  test('truncation and growth are found, with and without a known size', async () => {
    const content = randomBytes(1000);
    const ref = await store.put(content);
    for (const wrong of [content.subarray(0, 999), new Uint8Array(0), Buffer.concat([content, content])]) {
      await backend.writeRaw(keyOf(ref.sha256), wrong);
      await expect(store.read(ref)).rejects.toMatchObject({ code: 'integrity' });
      await expect(store.read({ sha256: ref.sha256 })).rejects.toMatchObject({ code: 'integrity' });
      await expect(collect(await store.open(ref))).rejects.toMatchObject({ code: 'integrity' });
    }
    await store.put(content);
    expect(Buffer.compare(await store.read(ref), content)).toBe(0);
  });

  test('what does not exist is answered as such', async () => {
    const absent = '0'.repeat(64);
    expect(await store.has(absent)).toBe(false);
    for (const lookup of [
      () => store.read({ sha256: absent }),
      () => store.open({ sha256: absent }),
      () => store.size(absent),
    ]) {
      await expect(lookup()).rejects.toMatchObject({
        code: 'not_found',
        message: expect.stringContaining(absent),
      });
    }
    expect(await store.delete(absent)).toBe(false);
  });

  test('names that are no hashes never reach the storage', async () => {
    for (const name of ['../../etc/passwd', ABC.toUpperCase(), '', `${ABC}0`]) {
      await expect(store.has(name)).rejects.toMatchObject({ code: 'invalid_request', param: 'sha256' });
      await expect(store.read({ sha256: name })).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(store.delete(name)).rejects.toMatchObject({ code: 'invalid_request' });
    }
  });

  test('list and delete', async () => {
    const ref = await store.put(bytes('to be deleted'));
    await backend.writeRaw('blobs/ff/a-file-of-someone-else', bytes('?'));
    const listed = (await collect(store.list())).find((blob) => blob.sha256 === ref.sha256);
    expect(listed).toEqual({ ...ref, modifiedAt: expect.any(Date) });
    expect(await store.delete(ref.sha256, { unlessSince: new Date(Date.now() - HOUR_MS) })).toBe(false);
    expect(await store.delete(ref.sha256)).toBe(true);
    expect(await store.has(ref.sha256)).toBe(false);
    expect((await collect(store.list())).every((blob) => /^[0-9a-f]{64}$/.test(blob.sha256))).toBe(true);
  });

  test('putting a blob again two hours later makes it young', async () => {
    const { sha256 } = await store.put(bytes('renewed'));
    const putAgain = new Date(Date.now() + 2 * HOUR_MS);
    const later = await backend.open({ now: () => putAgain });
    const before = (await collect(store.list())).find((blob) => blob.sha256 === sha256)!;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await later.put(bytes('renewed'));
    const after = (await collect(store.list())).find((blob) => blob.sha256 === sha256)!;
    expect(after.modifiedAt.getTime()).toBeGreaterThan(before.modifiedAt.getTime());
    await later.close();
  });
});
