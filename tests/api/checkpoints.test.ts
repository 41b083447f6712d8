import { createHash } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { decodeSafetensors } from '@trainyard/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
let words: string;
let tokenizer: Awaited<ReturnType<ActingWorker['makeTokenizer']>>;
let made: Awaited<ReturnType<ActingWorker['makeCheckpoint']>>;
let runId: string;
let origin: string;

beforeAll(async () => {
  api = await startApi();
  const worker = await ActingWorker.register(api);
  const query = '?held_out_fraction=0&collected_until=2021-05-06';
  words = await worker.dataset(
    'words',
    'text',
    WORDS.map((text) => ({ text })),
    query,
  );
  tokenizer = await worker.makeTokenizer(words);
  runId = await worker.submit('pretrain', { datasets: ['words'], tokenizer: tokenizer.id });
  made = await worker.makeCheckpoint(runId, { kind: 'base', tokenizerId: tokenizer.id, vocabSize: 300 });
  origin = await api.app.listen({ port: 0 });
});
afterAll(() => api.close());

const get = async (url: string) => (await api.call('GET', url)).body;

it('shows what a checkpoint is, and finds it by run, kind and tag', async () => {
  const checkpoint = await get(`/v1/checkpoints/${made.id}`);
  expect(checkpoint).toMatchObject({
    run_id: runId,
    kind: 'base',
    step: 10,
    final: true,
    tokenizer_id: tokenizer.id,
    model: made.model,
    metrics: { loss: 2.5 },
    knowledge_cutoff: '2021-05-06',
    tags: [],
    aliases: [],
  });
  const tagged = await api.call('PUT', `/v1/checkpoints/${made.id}/tags`, { body: { tags: ['good', 'v1'] } });
  expect(tagged.body.tags).toEqual(['good', 'v1']);
  for (const query of [`run=${runId}`, 'kind=base', 'tag=good', `run=${runId}&kind=base&tag=v1`])
    expect((await get(`/v1/checkpoints?${query}`)).data).toEqual([tagged.body]);
  for (const query of ['kind=reward', 'tag=bad'])
    expect((await get(`/v1/checkpoints?${query}`)).data).toEqual([]);
  const twice = await api.call('PUT', `/v1/checkpoints/${made.id}/tags`, { body: { tags: ['a', 'a'] } });
  expect([twice.status, twice.body.param]).toEqual([400, 'tags']);
});

it('gives a checkpoint names, which may move and go', async () => {
  const name = 'assistant@production';
  const set = (alias: string) =>
    api.call('PUT', `/v1/aliases/${alias}`, { body: { checkpoint_id: made.id } });
  expect((await set(name)).body).toMatchObject({ name, checkpoint_id: made.id });
  await set('a@b');
  expect((await get(`/v1/checkpoints/${name}`)).id).toBe(made.id);
  expect((await get(`/v1/checkpoints/${made.id}`)).aliases.sort()).toEqual(['a@b', name]);
  const first = await get('/v1/aliases?limit=1');
  expect([first.data[0].name, first.has_more]).toEqual(['a@b', true]);
  expect((await get('/v1/aliases?after=a@b')).data.map((alias: { name: string }) => alias.name)).toEqual([
    name,
  ]);
  expect((await api.call('DELETE', '/v1/aliases/a@b')).status).toBe(204);
  expect((await api.call('GET', '/v1/checkpoints/a@b')).status).toBe(404);
});

it('serves the files of a checkpoint with their hashes', async () => {
  const { data } = await get(`/v1/checkpoints/${made.id}/files`);
  expect(data.map(({ name }: { name: string }) => name)).toEqual(['model.safetensors', 'manifest.json']);
  const { sha256, bytes } = data[0];
  const url = `${origin}/v1/checkpoints/${made.id}/files/model.safetensors`;
  const headers = { authorization: `Bearer ${api.key}` };
  const response = await fetch(url, { headers });
  expect(response.headers.get('content-length')).toBe(String(bytes));
  expect(response.headers.get('etag')).toBe(`"${sha256}"`);
  const content = new Uint8Array(await response.arrayBuffer());
  expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
  const { tensors } = decodeSafetensors(content);
  expect(Object.keys(tensors).sort()).toEqual(Object.keys(made.weights).sort());
  expect(tensors['model.norm.weight']!.data).toEqual(made.weights['model.norm.weight']!.data);
  const unchanged = await fetch(url, { headers: { ...headers, 'if-none-match': `"${sha256}"` } });
  expect(unchanged.status).toBe(304);
  const manifest = await (await fetch(url.replace('model.safetensors', 'manifest.json'), { headers })).json();
  expect(manifest).toMatchObject({ runId, step: 10, model: made.model });
  const absent = await api.call('GET', `/v1/checkpoints/${made.id}/files/optimizer.safetensors`);
  expect([absent.status, absent.body.param]).toEqual([404, 'name']);
  const escaping = await api.call('GET', `/v1/checkpoints/${made.id}/files/..%2f..%2fetc%2fpasswd`);
  expect(escaping.status).toBe(404);
});

it('traces a checkpoint to its data, and the data to its checkpoints', async () => {
  const up = await get(`/v1/lineage/checkpoint/${made.id}?direction=up`);
  expect(up.knowledge_cutoff).toBe('2021-05-06');
  const nodes = up.nodes.map(({ type, id }: { type: string; id: string }) => `${type}:${id}`);
  for (const node of [`dataset_version:${words}`, `tokenizer:${tokenizer.id}`, `run:${runId}`])
    expect(nodes).toContain(node);
  expect(up.edges).toContainEqual({ from: `run:${runId}`, to: `checkpoint:${made.id}`, role: 'produced' });
  const down = await get(`/v1/lineage/dataset_version/${words}?direction=down`);
  expect(down.nodes.map(({ id }: { id: string }) => id)).toContain(made.id);
  expect((await get(`/v1/lineage/dataset_version/${words}?direction=up`)).edges).toEqual([]);
});

it('turns text into tokens and back', async () => {
  const text = 'the lazy dog: naïve 🐕';
  const { body } = await api.call('POST', `/v1/tokenizers/${tokenizer.id}/encode`, { body: { text } });
  expect(body.tokens).toEqual([...tokenizer.tokenizer.encode(text)]);
  expect(body.pieces.length).toBe(body.tokens.length);
  const back = await api.call('POST', `/v1/tokenizers/${tokenizer.id}/decode`, {
    body: { tokens: body.tokens },
  });
  expect(back.body).toEqual({ text });
  const wrong = await api.call('POST', `/v1/tokenizers/${tokenizer.id}/decode`, {
    body: { tokens: [1, 9999] },
  });
  expect([wrong.status, wrong.body.param]).toEqual([400, 'tokens[1]']);
  expect((await get(`/v1/tokenizers/${tokenizer.id}`)).vocab_size).toBe(300);
  expect((await get('/v1/tokenizers')).data[0].id).toBe(tokenizer.id);
});

it('breaks off the download of a damaged file', async () => {
  const { data } = await get(`/v1/checkpoints/${made.id}/files`);
  await truncate(api.blobs.path!(data[0].sha256), data[0].bytes - 4);
  const response = await fetch(`${origin}/v1/checkpoints/${made.id}/files/model.safetensors`, {
    headers: { authorization: `Bearer ${api.key}` },
  });
  await expect(response.arrayBuffer()).rejects.toThrow();
});
