import { createHash } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { type Client, createClient } from '@trainyard/contracts';
import { decodeSafetensors } from '@trainyard/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';
import { untar } from './archives.ts';

type Made = Awaited<ReturnType<ActingWorker['makeCheckpoint']>>;
let api: ApiUnderTest;
let client: Client;
const made = {} as Record<'base' | 'assistant' | 'masked' | 'reward', Made>;

beforeAll(async () => {
  api = await startApi();
  const worker = await ActingWorker.register(api);
  const records = WORDS.map((text) => ({ text }));
  await worker.dataset(
    'words',
    'text',
    records,
    '?held_out_fraction=0&licence=CC0-1.0&collected_until=2021-05-06',
  );
  const tokenizer = await worker.makeTokenizer('words');
  for (const kind of ['base', 'assistant', 'masked', 'reward'] as const) {
    const runId = await worker.submit('pretrain', { datasets: ['words'], tokenizer: tokenizer.id });
    made[kind] = await worker.makeCheckpoint(runId, {
      kind,
      tokenizerId: tokenizer.id,
      vocabSize: tokenizer.tokenizer.vocabSize,
      objective: kind === 'masked' ? 'masked' : 'next_word',
    });
  }
  client = createClient({ baseUrl: await api.app.listen({ port: 0 }), apiKey: api.key });
});
afterAll(() => api.close());

const exported = async (id: string, request: Parameters<Client['checkpoints']['export']>[1]) =>
  new Uint8Array(await (await client.checkpoints.export(id, request)).arrayBuffer());

it('exports a Hugging Face folder as a tar archive, the same bytes each time', async () => {
  const archive = await exported(made.base.id, {});
  expect(Buffer.compare(archive, await exported(made.base.id, { format: 'huggingface' }))).toBe(0);
  const files = await untar(archive);
  expect(Object.keys(files)).toEqual([
    'README.md',
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const { tensors } = decodeSafetensors(files['model.safetensors']!);
  expect(Object.keys(tensors).sort()).toEqual(Object.keys(made.base.weights).sort());
  for (const [name, { data }] of Object.entries(made.base.weights)) expect(tensors[name]!.data).toEqual(data);
  const card = files['README.md']!.toString();
  for (const fact of ['license: "cc0-1.0"', 'Knowledge cut-off: 2021-05-06', 'words@1', 'pretrain run'])
    expect(card).toContain(fact);
});

it('lists the files of an export, with their hashes, where JSON is asked for', async () => {
  const { status, body } = await api.call('POST', `/v1/checkpoints/${made.assistant.id}/export`, {
    body: { format: 'huggingface', dtype: 'bf16', max_shard_bytes: 20_000 },
    headers: { accept: 'application/json' },
  });
  expect(status).toBe(200);
  const files = await untar(await exported(made.assistant.id, { dtype: 'bf16', max_shard_bytes: 20_000 }));
  expect(body.data).toEqual(
    Object.entries(files).map(([name, content]) => ({
      name,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    })),
  );
  expect(Object.keys(files)).toContain('model.safetensors.index.json');
});

it('exports GGUF', async () => {
  const files = await untar(await exported(made.assistant.id, { format: 'gguf', dtype: 'f16' }));
  expect(Object.keys(files)).toEqual(['README.md', 'model-f16.gguf']);
  expect(files['model-f16.gguf']!.subarray(0, 4).toString()).toBe('GGUF');
});

it('says what a format cannot hold', async () => {
  const refusals: [keyof typeof made, object, number, string][] = [
    ['masked', {}, 422, 'format'],
    ['masked', { format: 'gguf' }, 422, 'format'],
    ['reward', { format: 'gguf' }, 422, 'format'],
    ['base', { format: 'peft' }, 422, 'format'],
    ['base', { format: 'onnx' }, 400, 'format'],
    ['base', { dtype: 'int4' }, 400, 'dtype'],
    ['base', { max_shard_bytes: 0 }, 400, 'max_shard_bytes'],
    ['base', { quantise: true }, 400, 'quantise'],
  ];
  for (const [kind, body, status, param] of refusals) {
    const answer = await api.call('POST', `/v1/checkpoints/${made[kind].id}/export`, { body });
    expect([answer.status, answer.body.param], JSON.stringify([kind, body])).toEqual([status, param]);
  }
  expect((await api.call('POST', '/v1/checkpoints/no@where/export', { body: {} })).status).toBe(404);
  const reward = await untar(await exported(made.reward.id, {}));
  expect(JSON.parse(reward['config.json']!.toString()).architectures).toEqual([
    'LlamaForSequenceClassification',
  ]);
});

it('needs a key that may read', async () => {
  const key = await api.keyWith('infer');
  for (const [method, url] of [
    ['POST', 'export'],
    ['GET', 'archive'],
  ] as const)
    expect(
      (
        await api.call(method, `/v1/checkpoints/${made.base.id}/${url}`, {
          key,
          ...(method === 'POST' && { body: {} }),
        })
      ).status,
    ).toBe(403);
});

it("gives a checkpoint's own files as a tar archive, and breaks off where one is damaged", async () => {
  const { data } = await client.checkpoints.files(made.masked.id);
  const response = await client.checkpoints.archive(made.masked.id);
  expect(response.headers.get('content-type')).toBe('application/x-tar');
  const files = await untar(new Uint8Array(await response.arrayBuffer()));
  expect(Object.keys(files)).toEqual([...data.map(({ name }) => name), 'tokenizer.json']);
  for (const { name, sha256 } of data)
    expect(createHash('sha256').update(files[name]!).digest('hex')).toBe(sha256);
  const { sha256, bytes } = data[0]!;
  await truncate(api.blobs.path!(sha256), bytes - 4);
  const broken = await client.checkpoints.archive(made.masked.id);
  await expect(broken.arrayBuffer()).rejects.toThrow();
  expect((await api.call('POST', `/v1/checkpoints/${made.masked.id}/export`, { body: {} })).status).toBe(500);
});
