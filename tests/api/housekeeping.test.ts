import { utimes } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHousekeeping } from '../../apps/api/src/housekeeping.ts';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

it('files of retired checkpoints and files without a row go; all that a row needs stays, and the API says so', async () => {
  const worker = await ActingWorker.register(api);
  const records = WORDS.map((text) => ({ text }));
  const words = await worker.dataset('words', 'text', records, '?held_out_fraction=0');
  const {
    id: tokenizer,
    tokenizer: { vocabSize },
  } = await worker.makeTokenizer(words);
  const checkpoint = async (seed: number) => {
    const inputs = { datasets: ['words'], tokenizer };
    const { body } = await api.call('POST', '/v1/runs', { body: { stage: 'pretrain', inputs } });
    return worker.makeCheckpoint(body.id, { kind: 'base', tokenizerId: tokenizer, vocabSize, seed });
  };
  const [retired, kept, inGrace] = [await checkpoint(1), await checkpoint(2), await checkpoint(3)];
  const long = new Date(Date.now() - 7_200_000);
  const retire = (id: string, retiredAt: Date) =>
    api.db.client.checkpoint.update({ where: { id }, data: { retiredAt } });
  await retire(retired.id, long);
  await retire(inGrace.id, new Date());
  const orphan = await api.blobs.put(Buffer.from('nobody needs this'));
  const young = await api.blobs.put(Buffer.from('somebody may still record this'));
  for await (const { sha256 } of api.blobs.list())
    if (sha256 !== young.sha256) await utimes(api.blobs.path!(sha256), long, long);

  const graces = { retentionGraceSeconds: 3600, orphanGraceSeconds: 3600 };
  const housekeeping = startHousekeeping(api.db, api.blobs, graces, api.app.log);
  await expect.poll(() => api.blobs.has(orphan.sha256)).toBe(false);
  await housekeeping.stop();

  const read = async (id: string) => (await api.call('GET', `/v1/checkpoints/${id}`)).body;
  const gone = await read(retired.id);
  expect(await api.blobs.has(gone.manifest_sha256)).toBe(false);
  expect([gone.retired_at, gone.deleted_at]).toEqual([long.toISOString(), expect.any(String)]);
  expect(await api.blobs.has(young.sha256)).toBe(true);
  expect(await read(kept.id)).toMatchObject({ damaged_at: null, retired_at: null, deleted_at: null });
  expect((await api.call('GET', `/v1/checkpoints/${kept.id}/files`)).status).toBe(200);
  expect((await api.call('GET', `/v1/checkpoints/${inGrace.id}/files`)).status).toBe(200);
  const refused = await api.call('GET', `/v1/checkpoints/${retired.id}/files`);
  expect([refused.status, refused.body.code]).toEqual([409, 'invalid_state']);
  const tagged = await api.call('PUT', `/v1/checkpoints/${retired.id}/tags`, { body: { tags: ['late'] } });
  expect([tagged.status, tagged.body.detail]).toEqual([409, expect.stringContaining('given up')]);
});
