import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cutShort, flipBit } from './damage.ts';
import { CORRUPTIONS, corruptAtRandom, loadWhole, writeRandomCheckpoint } from './random-corruptions.ts';

const BLOCK = 64 * 1024;
const MINUTES = 600_000; // ms; a bound for a busy machine

let folder: string;
let store: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'trainyard-corruptions-'));
  store = await openBlobStore(folder);
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

test(
  'a flipped bit or an early end at each 64 KiB of a checkpoint is found when it is loaded',
  async () => {
    const { manifest, files } = await writeRandomCheckpoint(store, 1_200_000);
    await loadWhole(store, manifest);
    const kept = path.join(folder, 'kept');
    let damages = 0;
    for (const file of files) {
      await cp(file, kept);
      const { size } = await stat(file);
      for (let byte = 0; byte < size; byte += BLOCK)
        for (const damage of [() => flipBit(file, byte, byte % 8), () => cutShort(file, byte)]) {
          await damage();
          const found = expect(loadWhole(store, manifest), `${file} at ${byte}`);
          await found.rejects.toMatchObject({ code: 'integrity' });
          await cp(kept, file);
          damages += 1;
        }
    }
    expect(damages).toBeGreaterThan(36);
    await loadWhole(store, manifest);
  },
  MINUTES,
);

test(
  'random corruptions of every kind are found; the soak tries 10,000',
  async () => {
    const { found, missed } = await corruptAtRandom(store, 1, 1000);
    expect(missed).toEqual([]);
    const kinds = Object.keys(CORRUPTIONS).map((kind) => `${kind}: integrity`);
    expect(Object.keys(found).sort()).toEqual(kinds.sort());
  },
  MINUTES,
);
