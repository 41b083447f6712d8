import { mkdir, readdir, rmdir, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { adapterNames, type Client, createClient } from '@trainyard/contracts';
import { decodeSafetensors, encodeSafetensors, readCheckpoint } from '@trainyard/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';
import { type Files, tarOf, untar } from './archives.ts';

const LIMIT = 500_000;
let api: ApiUnderTest;
let client: Client;
let origin: string;
let worker: ActingWorker;
let made: Awaited<ReturnType<ActingWorker['makeCheckpoint']>>;
let files: Record<string, Buffer>;

beforeAll(async () => {
  api = await startApi({ MAX_UPLOAD_BYTES: String(LIMIT) });
  worker = await ActingWorker.register(api);
  const records = WORDS.map((text) => ({ text }));
  await worker.dataset('words', 'text', records, '?held_out_fraction=0&collected_until=2021-05-06');
  const { id, tokenizer } = await worker.makeTokenizer('words');
  const runId = await worker.submit('pretrain', { datasets: ['words'], tokenizer: id });
  made = await worker.makeCheckpoint(runId, {
    kind: 'base',
    tokenizerId: id,
    vocabSize: tokenizer.vocabSize,
  });
  origin = await api.app.listen({ port: 0 });
  client = createClient({ baseUrl: origin, apiKey: api.key });
  files = await exported(made.id);
});
afterAll(() => api.close());

const exported = async (id: string, request: Parameters<Client['checkpoints']['export']>[1] = {}) =>
  untar(new Uint8Array(await (await client.checkpoints.export(id, request)).arrayBuffer()));

const post = (body: Buffer, query = '', headers: Record<string, string> = {}) =>
  api.call('POST', `/v1/checkpoints/import${query}`, {
    body,
    headers: { 'content-type': 'application/x-tar', ...headers },
  });
const importing = async (changes: Files = {}, query = '') =>
  post(await tarOf({ ...files, ...changes }), query);

async function counts() {
  let blobs = 0;
  for await (const _ of api.blobs.list()) blobs++;
  const { client: db } = api.db;
  return {
    blobs,
    runs: await db.run.count(),
    checkpoints: await db.checkpoint.count(),
    tokenizers: await db.tokenizer.count(),
  };
}

/** Nothing is written or registered, and no temporary file stays. */
async function leavesNothing(refused: () => Promise<void>): Promise<void> {
  const before = await counts();
  await refused();
  expect(await counts()).toEqual(before);
  expect(await readdir(join(api.config.dataDir, 'import'))).toEqual([]);
}

describe('an imported checkpoint', () => {
  it('has a run that succeeded, its own tokenizer, lineage, licence and knowledge cut-off', async () => {
    const { status, body } = await importing({}, '?name=stories&licence=MIT&collected_until=2023-01-31');
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body).toMatchObject({
      kind: 'base',
      step: 0,
      final: true,
      model: made.model,
      knowledge_cutoff: '2023-01-31',
    });
    const run = (await api.call('GET', `/v1/runs/${body.run_id}`)).body;
    expect(run).toMatchObject({
      stage: 'import',
      state: 'succeeded',
      name: 'stories',
      config: { format: 'huggingface', licence: 'MIT', collected_until: '2023-01-31' },
      checkpoint_id: body.id,
      tokenizer_id: body.tokenizer_id,
    });
    expect(
      (await api.call('GET', '/v1/runs?stage=import')).body.data.map((one: { id: string }) => one.id),
    ).toContain(run.id);
    const tokenizer = (await api.call('GET', `/v1/tokenizers/${body.tokenizer_id}`)).body;
    expect(tokenizer).toMatchObject({ run_id: run.id, bytes_per_token: null });
    const { edges } = (await api.call('GET', `/v1/lineage/checkpoint/${body.id}?direction=up`)).body;
    const from = [`run:${run.id}`, `tokenizer:${tokenizer.id}`];
    for (const parent of from) expect(edges.map((edge: { from: string }) => edge.from)).toContain(parent);
    const events = (await api.call('GET', `/v1/runs/${run.id}/events`)).body.data;
    expect(events.map(({ type }: { type: string }) => type)).toEqual(['tokenizer', 'checkpoint', 'state']);
    const { manifest, file } = await readCheckpoint(api.blobs, body.manifest_sha256);
    expect(manifest.runId).toBe(run.id);
    const { tensors } = decodeSafetensors(await file('model.safetensors'));
    for (const [name, { data }] of Object.entries(made.weights)) expect(tensors[name]!.data).toEqual(data);
    const card = (await exported(body.id))['README.md']!.toString();
    for (const fact of ['license: "mit"', '2023-01-31', 'import run stories']) expect(card).toContain(fact);
  });

  it('is a run that nobody can submit, steer or take', async () => {
    const { run_id } = (await importing()).body;
    for (const verb of ['cancel', 'pause', 'resume', 'retry']) {
      const { status, body } = await api.call('POST', `/v1/runs/${run_id}/${verb}`);
      expect([status, body.code], verb).toEqual([409, 'invalid_state']);
    }
    const submitted = await api.call('POST', '/v1/runs', { body: { stage: 'import', inputs: {} } });
    expect([submitted.status, submitted.body.param]).toEqual([400, 'stage']);
    expect(await api.db.client.outbox.count({ where: { runId: run_id } })).toBe(0);
  });

  it('predicts, continues and converses as the one that was exported', async () => {
    const { body } = await importing();
    for (const [verb, request] of [
      ['predict', { text: 'the quick' }],
      ['complete', { prompt: 'the lazy', max_tokens: 8 }],
      ['chat', { messages: [{ role: 'user', content: 'the' }], max_tokens: 8 }],
    ] as const) {
      const [ours, theirs] = [made.id, body.id].map((id) =>
        api.call('POST', `/v1/checkpoints/${id}/${verb}`, { body: request }),
      );
      expect((await theirs!).status, verb).toBe(200);
      expect((await theirs!).body, verb).toEqual((await ours!).body);
    }
  });

  it('is a base for other runs, which inherit its knowledge cut-off', async () => {
    const imported = (await importing({}, '?collected_until=2020-02-29')).body;
    await worker.dataset(
      `chats-${imported.id}`,
      'chat',
      [
        {
          messages: [
            { role: 'user', content: 'a' },
            { role: 'assistant', content: 'b' },
          ],
        },
      ],
      '?held_out_fraction=0',
    );
    const runId = await worker.submit('finetune', { datasets: [`chats-${imported.id}`], base: imported.id });
    const tuned = await worker.makeCheckpoint(runId, {
      kind: 'assistant',
      tokenizerId: imported.tokenizer_id,
      vocabSize: made.model.vocab_size,
    });
    expect((await api.call('GET', `/v1/checkpoints/${tuned.id}`)).body.knowledge_cutoff).toBe('2020-02-29');
    expect(
      (await api.call('GET', `/v1/checkpoints/${(await importing()).body.id}`)).body.knowledge_cutoff,
    ).toBeNull();
  });

  it('may lie in a folder of the archive', async () => {
    const inside = Object.entries(files).map(([name, content]) => [`my model/${name}`, content]);
    expect((await post(await tarOf(Object.fromEntries(inside)))).status).toBe(201);
    const mixed = await post(await tarOf({ ...Object.fromEntries(inside), 'NOTICE.txt': Buffer.from('x') }));
    expect([mixed.status, mixed.body.param]).toEqual([400, 'NOTICE.txt']);
  });

  it('is made once for an Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'import-1' };
    const first = await post(await tarOf(files), '', headers);
    const reordered = Object.fromEntries(Object.entries(files).reverse());
    const again = await post(await tarOf(reordered), '', headers);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    const other = await post(await tarOf({ ...files, NOTICE: { note: 1 } }), '?name=other', headers);
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict']);
  });
});

describe('adapters', () => {
  const adapterFiles = (alpha = 4): Files => {
    const adapters = Object.keys(made.weights).filter((name) => name.includes('q_proj'));
    const tensors = adapters.flatMap((name) => {
      const { a, b } = adapterNames(name);
      const data = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * 0.1);
      return [
        [a, { dtype: 'float32' as const, shape: [2, 32], data }],
        [b, { dtype: 'float32' as const, shape: [32, 2], data }],
      ] as const;
    });
    return {
      'adapter_config.json': {
        peft_type: 'LORA',
        task_type: 'CAUSAL_LM',
        r: 2,
        lora_alpha: alpha,
        target_modules: ['q_proj'],
      },
      'adapter_model.safetensors': Buffer.concat(encodeSafetensors(Object.fromEntries(tensors))),
    };
  };

  it('are merged into their base, and can be exported again', async () => {
    const { status, body } = await post(await tarOf(adapterFiles()), `?base=${made.id}`);
    expect(status, JSON.stringify(body)).toBe(201);
    const base = (await api.call('GET', `/v1/checkpoints/${made.id}`)).body;
    expect(body).toMatchObject({
      kind: 'assistant',
      tokenizer_id: base.tokenizer_id,
      knowledge_cutoff: base.knowledge_cutoff,
    });
    const { edges } = (await api.call('GET', `/v1/lineage/checkpoint/${body.id}?direction=up`)).body;
    expect(edges).toContainEqual({
      from: `checkpoint:${made.id}`,
      to: `checkpoint:${body.id}`,
      role: 'base',
    });
    const again = await exported(body.id, { format: 'peft' });
    expect(JSON.parse(again['adapter_config.json']!.toString())).toMatchObject({
      r: 2,
      lora_alpha: 4,
      target_modules: ['q_proj'],
      base_model_name_or_path: made.id,
    });
    const tensorsOf = (bytes: Uint8Array) => decodeSafetensors(bytes).tensors;
    expect(tensorsOf(again['adapter_model.safetensors']!)).toEqual(
      tensorsOf(adapterFiles()['adapter_model.safetensors'] as Uint8Array),
    );
    const merged = tensorsOf((await exported(body.id))['model.safetensors']!);
    const [q, k] = ['q_proj', 'k_proj'].map((name) => `model.layers.0.self_attn.${name}.weight`) as [
      string,
      string,
    ];
    expect(merged[k]!.data).toEqual(made.weights[k]!.data);
    expect(merged[q]!.data).not.toEqual(made.weights[q]!.data);
  });

  it('need their base, which must fit', async () => {
    await leavesNothing(async () => {
      for (const [archive, query, status, param] of [
        [adapterFiles(), '', 400, 'base'],
        [files, `?base=${made.id}`, 400, 'base'],
        [adapterFiles(), '?base=no@where', 404, 'base'],
        [adapterFiles(0), `?base=${made.id}`, 400, 'lora_alpha'],
        [
          { ...adapterFiles(), 'adapter_model.safetensors': undefined },
          `?base=${made.id}`,
          400,
          'adapter_model.safetensors',
        ],
      ] as const) {
        const answer = await post(await tarOf(archive), query);
        expect([answer.status, answer.body.param], query).toEqual([status, param]);
      }
    });
  });
});

describe('a bad archive', () => {
  const corrupt = (change: (weights: Buffer) => Buffer | undefined): Files => {
    const weights = Buffer.from(files['model.safetensors']!);
    return { 'model.safetensors': change(weights) ?? weights };
  };
  const nan = (weights: Buffer) => void weights.writeFloatLE(Number.NaN, weights.length - 8);

  it.each<[string, () => Files, string]>([
    ['truncated weights', () => corrupt((weights) => weights.subarray(0, -40)), 'model.norm.weight'],
    ['NaN among the weights', () => corrupt(nan), 'model.norm.weight'],
    [
      'an enormous header',
      () => corrupt((weights) => void weights.writeBigUInt64LE(2n ** 63n)),
      'model.safetensors',
    ],
    [
      'a header that is no JSON',
      () => corrupt((weights) => void weights.fill(0, 8, 90)),
      'model.safetensors',
    ],
    [
      'another vocabulary',
      () => ({ 'config.json': { ...JSON.parse(files['config.json']!.toString()), vocab_size: 512 } }),
      'vocab_size',
    ],
    ['a pickle', () => ({ 'pytorch_model.bin': Buffer.from('x') }), 'pytorch_model.bin'],
    ['a file that nobody knows', () => ({ 'run.sh': Buffer.from('x') }), 'run.sh'],
    ['no tokenizer', () => ({ 'tokenizer.json': undefined }), 'tokenizer.json'],
    ['a way up', () => ({ '../config.json': Buffer.from('{}') }), '../config.json'],
    ['an absolute path', () => ({ '/etc/passwd': Buffer.from('x') }), '/etc/passwd'],
    ['a folder', () => ({ 'original/params.json': Buffer.from('{}') }), 'original/params.json'],
  ])('with %s is refused by name', (_, changes, param) =>
    leavesNothing(async () => {
      const { status, body } = await importing(changes());
      expect([status, body.code, body.param]).toEqual([400, 'invalid_data', param]);
      expect(body.detail).toContain(param);
    }),
  );

  it('of links, devices or repeated files is refused', () =>
    leavesNothing(async () => {
      for (const entry of [
        { name: 'config.json', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'README.md', type: 'link', linkname: 'config.json' },
        { name: 'tokenizer.json', type: 'fifo' },
        { name: 'original/deeper', type: 'directory' },
        { name: 'config.json', type: 'file' },
      ] as const) {
        const archive = entry.type === 'file' ? await tarOf(files, entry) : await tarOf({}, entry);
        const { status, body } = await post(archive);
        expect([status, body.param], entry.type).toEqual([400, entry.name]);
      }
    }));

  it('that is none, is empty, cut off, compressed or too large is refused', () =>
    leavesNothing(async () => {
      const archive = await tarOf(files);
      const answers = [
        await post(Buffer.from('no archive at all'.repeat(100))),
        await post(await tarOf({})),
        await post(Buffer.alloc(0)),
        await post(archive.subarray(0, 70_000)),
        await post(archive, '', { 'content-encoding': 'gzip' }),
        await post(archive, '', { 'content-type': 'application/json' }),
        await post(await tarOf({ ...files, 'README.md': Buffer.alloc(LIMIT) })),
        await post(archive, '?collected_until=soon'),
        await post(archive, '?licence='),
        await post(archive, '?pickle=yes'),
      ];
      expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 415, 415, 413, 400, 400, 400]);
      expect(
        (await api.call('POST', '/v1/checkpoints/import', { key: await api.keyWith('read') })).status,
      ).toBe(403);
    }));

  it('that turns out too large while it is streamed is refused to the client', () =>
    leavesNothing(async () => {
      const archive = await tarOf({ ...files, 'README.md': Buffer.alloc(20 * LIMIT) });
      const chunks = Array.from({ length: Math.ceil(archive.length / 50_000) }, (_, i) =>
        archive.subarray(i * 50_000, (i + 1) * 50_000),
      );
      const stream = Readable.toWeb(Readable.from(chunks)) as ReadableStream;
      await expect(client.checkpoints.import(stream)).rejects.toThrow(
        expect.objectContaining({ code: 'payload_too_large' }),
      );
    }));

  it('that a killed process left is removed after a day', async () => {
    const spool = join(api.config.dataDir, 'import');
    const [old, young] = [join(spool, 'import-old'), join(spool, 'import-young')];
    for (const folder of [old, young]) await mkdir(folder, { recursive: true });
    const before = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await utimes(old, before, before);
    expect((await importing()).status).toBe(201);
    expect(await readdir(spool)).toEqual(['import-young']);
    await rmdir(young);
  });

  it('whose sender goes away leaves nothing, and the server stays up', () =>
    leavesNothing(async () => {
      const archive = await tarOf(files);
      const { hostname, port } = new URL(origin);
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /v1/checkpoints/import HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${api.key}\r\n` +
          `content-type: application/x-tar\r\ncontent-length: ${archive.length}\r\n\r\n`,
      );
      socket.write(archive.subarray(0, 60_000));
      const spool = join(api.config.dataDir, 'import');
      await expect.poll(async () => (await readdir(spool)).length).toBe(1);
      socket.destroy();
      await expect.poll(async () => (await readdir(spool)).length, { timeout: 10_000 }).toBe(0);
      expect((await api.call('GET', '/v1/checkpoints')).status).toBe(200);
    }));
});
