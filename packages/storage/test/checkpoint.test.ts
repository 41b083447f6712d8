import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BlobStore,
  decodeSafetensors,
  encodeSafetensors,
  type NewCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../src/index.ts';
import { BACKENDS, type Backend, collect, keyOf } from './backends.ts';

const CHECKPOINT: NewCheckpoint = {
  runId: '0190a5c4-0000-7000-8000-000000000001',
  step: 300,
  epoch: 2,
  model: { layers: 2, width: 64 },
  counters: { tokens: 614_400, lossScale: 0.5 },
  cursor: { step: 300, seed: 42 },
  createdAt: '2030-01-31T12:00:00.000Z',
};
const weights = () =>
  encodeSafetensors({
    w: { dtype: 'float32', shape: [1000], data: Float32Array.from({ length: 1000 }, (_, i) => i) },
  });
const FILES = () => ({
  'model.safetensors': weights(),
  'tokenizer.json': new TextEncoder().encode('{"merges":[]}'),
});

describe.each(BACKENDS)('checkpoints in a %s', (_, start) => {
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

  test('what was written comes back, and the same checkpoint has the same manifest', async () => {
    const written = await writeCheckpoint(store, { ...CHECKPOINT, files: FILES() });
    const { manifest, file } = await readCheckpoint(store, written.manifest.sha256);
    expect(manifest).toEqual({ format: 'trainyard-checkpoint/1', ...CHECKPOINT, files: written.files });
    expect(decodeSafetensors(await file('model.safetensors')).tensors.w!.data[999]).toBe(999);
    expect(Buffer.from(await file('tokenizer.json')).toString()).toBe('{"merges":[]}');
    expect(written.files.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['model.safetensors', 8 + 64 + 4000],
      ['tokenizer.json', 13],
    ]);
    expect(written.bytes).toBe(4072 + 13 + written.manifest.bytes);
    expect(await collect(store.list())).toHaveLength(3);
    const reordered = Object.fromEntries(Object.entries(FILES()).reverse());
    const again = await writeCheckpoint(store, { ...CHECKPOINT, files: reordered });
    expect(again.manifest).toEqual(written.manifest);
    await expect(file('optimizer.safetensors')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/optimizer.*model\.safetensors, tokenizer\.json/),
    });
  });

  test.each<[string, (content: Uint8Array) => Uint8Array]>([
    [
      'a flipped bit',
      (content) => content.map((byte, index) => (index === content.length - 1 ? byte ^ 1 : byte)),
    ],
    ['truncation', (content) => content.subarray(0, -1)],
  ])('%s in a file or in the manifest is found and named', async (_, damage) => {
    const { manifest, files } = await writeCheckpoint(store, { ...CHECKPOINT, files: FILES() });
    const model = files.find((file) => file.name === 'model.safetensors')!;
    const opened = await readCheckpoint(store, manifest.sha256);
    await backend.writeRaw(keyOf(model.sha256), damage(await backend.readRaw(keyOf(model.sha256))));
    await expect(opened.file('model.safetensors')).rejects.toMatchObject({
      code: 'integrity',
      message: expect.stringMatching(new RegExp(`${manifest.sha256}.*"model.safetensors".*${model.sha256}`)),
    });
    await backend.writeRaw(keyOf(manifest.sha256), damage(await backend.readRaw(keyOf(manifest.sha256))));
    await expect(readCheckpoint(store, manifest.sha256)).rejects.toMatchObject({
      code: 'integrity',
      message: expect.stringContaining(`manifest ${manifest.sha256}`),
    });
    for (const { sha256 } of [manifest, ...files]) await store.delete(sha256);
  });

  test('a missing file or manifest is damage', async () => {
    const { manifest, files } = await writeCheckpoint(store, { ...CHECKPOINT, files: FILES() });
    const opened = await readCheckpoint(store, manifest.sha256);
    await store.delete(files[0]!.sha256);
    const named = { code: 'integrity', message: expect.stringContaining(files[0]!.name) };
    await expect(opened.file(files[0]!.name)).rejects.toMatchObject(named);
    await store.delete(manifest.sha256);
    await expect(readCheckpoint(store, manifest.sha256)).rejects.toMatchObject({ code: 'integrity' });
  });

  test('a blob that is no manifest is refused with every reason', async () => {
    const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const noJson = await store.put(Uint8Array.of(0xff));
    await expect(readCheckpoint(store, noJson.sha256)).rejects.toMatchObject({ code: 'invalid_data' });
    const list = await store.put(json([]));
    await expect(readCheckpoint(store, list.sha256)).rejects.toMatchObject({ code: 'invalid_data' });
    const file = { name: '../model', sha256: 'f'.repeat(64), bytes: 1 };
    const wrong = {
      ...CHECKPOINT,
      format: 'trainyard-checkpoint/2',
      step: -1,
      cursor: null,
      files: [file, file],
    };
    const { sha256 } = await store.put(json(wrong));
    const error = await readCheckpoint(store, sha256).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'invalid_data', message: expect.stringContaining(sha256) });
    expect(error.details.map((detail: { param: string }) => detail.param)).toEqual([
      'format',
      'step',
      'cursor.step',
      'cursor.seed',
      'files[0]',
      'files[1]',
      'files',
    ]);
  });

  test('nothing is called a checkpoint that could not be read back', async () => {
    const before = (await collect(store.list())).length;
    const unreadable = { ...CHECKPOINT, counters: { loss: Number.NaN } };
    await expect(writeCheckpoint(store, { ...unreadable, files: {} })).rejects.toMatchObject({
      code: 'invalid_data',
      details: [{ param: 'counters' }, { param: 'files' }],
    });
    expect(await collect(store.list())).toHaveLength(before);
  });
});
