import { createHash } from 'node:crypto';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type ApiUnderTest, startApi } from './api-under-test.ts';

const LIMIT = 200_000;
const TEXT = 'The first document.\n\nThe second one\nhas two lines.\n\nThe third.\n';
const documents = ['The first document.', 'The second one\nhas two lines.', 'The third.'];
/** `zstd -19` of TEXT, made once with the reference implementation. */
const ZSTD =
  'KLUv/QRozQEAggMMEcC3AUDCtmt2paWp/cuB45cQBewkNp9m+aY+C6zTvemO4x+GKtB6Bo21N58kPwwBAQAhMgUFSLqxVQ==';
let api: ApiUnderTest;
let roots: string;
let count = 0;

beforeAll(async () => {
  api = await startApi({ MAX_UPLOAD_BYTES: String(LIMIT), IMPORT_ROOTS: '/nowhere-that-exists' });
  roots = join(api.folder, 'imports');
  await mkdir(roots);
  api.config.importRoots.push(roots);
});
afterAll(() => api.close());

async function dataset(kind = 'text'): Promise<string> {
  const { body } = await api.call('POST', '/v1/datasets', { body: { name: `d${++count}`, kind } });
  return body.id;
}

const upload = (
  id: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
  query = '',
): Promise<Answer> =>
  api.call('POST', `/v1/datasets/${id}/versions${query}`, {
    body,
    headers: { 'content-type': 'text/plain', ...headers },
  });

const jsonl = { 'content-type': 'application/x-ndjson' };

async function blobCount(): Promise<number> {
  let found = 0;
  for await (const _ of api.blobs.list()) found++;
  return found;
}

describe('datasets', () => {
  it('are created once by name, and found by kind and name', async () => {
    const body = { name: 'papers', kind: 'chat', description: 'Some papers', licence: 'CC-BY-4.0' };
    const created = await api.call('POST', '/v1/datasets', { body });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ ...body, latest_version: null });
    const again = await api.call('POST', '/v1/datasets', { body });
    expect([again.status, again.body.code, again.body.param]).toEqual([409, 'conflict', 'name']);
    expect((await api.call('GET', `/v1/datasets/${created.body.id}`)).body).toEqual(created.body);
    const byName = await api.call('GET', '/v1/datasets?name=papers&kind=chat');
    expect(byName.body).toEqual({ data: [created.body], has_more: false });
    expect((await api.call('GET', '/v1/datasets?name=papers&kind=text')).body.data).toEqual([]);
  });

  it('of one name come into being once, however many ask at once', async () => {
    const asked = Array.from({ length: 8 }, () =>
      api.call('POST', '/v1/datasets', { body: { name: 'race', kind: 'text' } }),
    );
    const statuses = (await Promise.all(asked)).map(({ status }) => status).sort();
    expect(statuses).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
  });

  it('are listed newest first, page by page', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift(await dataset('prompts'));
    const seen: string[] = [];
    for (let after = '', more = true; more; ) {
      const { body } = await api.call('GET', `/v1/datasets?kind=prompts&limit=2${after}`);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      after = `&after=${seen.at(-1)}`;
      more = body.has_more;
    }
    expect(seen).toEqual(ids);
  });
});

describe('uploads', () => {
  it('of plain text become documents, split by their content alone', async () => {
    const id = await dataset();
    const { status, body } = await upload(
      id,
      TEXT,
      {},
      '?held_out_fraction=0&collected_until=2024-02-29&licence=MIT',
    );
    expect(status).toBe(201);
    const lines = documents.map((text) => `${JSON.stringify({ text })}\n`).join('');
    expect(body).toMatchObject({
      dataset_id: id,
      kind: 'text',
      version: 1,
      content_hash: createHash('sha256').update(`text\n${lines}`).digest('hex'),
      train: { records: 3, bytes: Buffer.byteLength(lines) },
      held_out: { records: 0, bytes: 0 },
      held_out_fraction: 0,
      licence: 'MIT',
      collected_until: '2024-02-29',
    });
    const preview = await api.call('GET', `/v1/dataset-versions/${body.id}/preview?limit=2`);
    expect(preview.body).toEqual({
      split: 'train',
      records: documents.slice(0, 2).map((text) => ({ text })),
    });
    const empty = await api.call('GET', `/v1/dataset-versions/${body.id}/preview?split=held_out`);
    expect(empty.body).toEqual({ split: 'held_out', records: [] });
    expect((await api.call('GET', `/v1/dataset-versions/${body.id}`)).body).toEqual(body);
    expect((await api.call('GET', `/v1/datasets/${id}`)).body.latest_version).toBe(1);
  });

  it('come as they are, in gzip or in zstd, and are the same', async () => {
    const id = await dataset();
    const plain = await upload(id, TEXT);
    const zipped = await upload(id, gzipSync(TEXT), { 'content-encoding': 'gzip' });
    const packed = await upload(id, Buffer.from(ZSTD, 'base64'), { 'content-encoding': 'zstd' });
    expect([plain.status, zipped.status, packed.status]).toEqual([201, 201, 201]);
    expect(zipped.body).toEqual(plain.body);
    expect(packed.body).toEqual(plain.body);
  });

  it('with other content are further versions, newest first', async () => {
    const id = await dataset();
    await upload(id, TEXT);
    await upload(id, `${TEXT}\nA fourth.\n`);
    const { body } = await api.call('GET', `/v1/datasets/${id}/versions`);
    expect(body.data.map(({ version }: { version: number }) => version)).toEqual([2, 1]);
  });

  it('with an Idempotency-Key are made once, and the key is no other upload', async () => {
    const id = await dataset();
    const once = { 'idempotency-key': `upload-${id}` };
    const [first, second] = [await upload(id, TEXT, once), await upload(id, TEXT, once)];
    expect(second.body).toEqual(first.body);
    const other = await upload(id, 'Something else.', once);
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict']);
    expect((await api.call('GET', `/v1/datasets/${id}/versions`)).body.data.length).toBe(1);
  });

  it('with problems name the lines, and leave nothing behind', async () => {
    const id = await dataset('instruction');
    const before = await blobCount();
    const good = JSON.stringify({ instruction: 'Say yes', output: 'yes' });
    const lines = [
      good,
      '{"instruction": "x"',
      '{"instruction":"x","output":"y","mood":"z"}',
      '',
      '{"instruction":7,"output":"y"}',
    ];
    const { status, body } = await upload(id, lines.join('\n'), jsonl);
    expect([status, body.code]).toEqual([400, 'invalid_data']);
    expect(body.errors.map(({ line, param }: { line: number; param?: string }) => [line, param])).toEqual([
      [2, undefined],
      [3, 'mood'],
      [5, 'instruction'],
    ]);
    const many = await upload(id, 'no\n'.repeat(100), jsonl);
    expect(many.body.errors.length).toBe(10);
    expect(many.body.detail).toContain('100 problems');
    expect(await blobCount()).toBe(before);
    expect((await api.call('GET', `/v1/datasets/${id}`)).body.latest_version).toBeNull();
    expect(await readdir(join(api.config.dataDir, 'ingest'))).toEqual([]);
  });

  it('that are too large are refused by 413, however they come, and leave nothing behind', async () => {
    const id = await dataset();
    const before = await blobCount();
    const large = 'A line of text that goes on for quite a while.\n\n'.repeat(8000);
    expect(large.length).toBeGreaterThan(LIMIT);
    const answers = [
      await upload(id, large),
      await upload(id, gzipSync(large), { 'content-encoding': 'gzip' }),
    ];
    for (const { status, body } of answers) {
      expect([status, body.code]).toEqual([413, 'payload_too_large']);
      expect(body.detail).toContain(String(LIMIT));
    }
    expect(await blobCount()).toBe(before);
    expect((await api.call('GET', `/v1/datasets/${id}/versions`)).body.data).toEqual([]);
  });

  const refused: [
    string,
    string,
    string | Buffer,
    Record<string, string>,
    string,
    number,
    string,
    string?,
  ][] = [
    ['nothing', 'text', '', {}, '', 400, 'invalid_data'],
    ['white space only', 'text', ' \n\n ', {}, '', 400, 'invalid_data'],
    ['invalid UTF-8', 'text', Buffer.from([0x61, 0xff, 0x62]), {}, '', 400, 'invalid_data'],
    [
      'a damaged gzip stream',
      'text',
      gzipSync(TEXT).subarray(0, 30),
      { 'content-encoding': 'gzip' },
      '',
      400,
      'invalid_data',
    ],
    ['no gzip at all', 'text', TEXT, { 'content-encoding': 'gzip' }, '', 400, 'invalid_data'],
    [
      'an unknown encoding',
      'text',
      TEXT,
      { 'content-encoding': 'br' },
      '',
      415,
      'unsupported_media_type',
      'Content-Encoding',
    ],
    [
      'JSON',
      'text',
      '{}',
      { 'content-type': 'application/json' },
      '',
      415,
      'unsupported_media_type',
      'Content-Type',
    ],
    ['plain text of chats', 'chat', TEXT, {}, '', 400, 'invalid_request', 'Content-Type'],
    [
      'a date that is none',
      'text',
      TEXT,
      {},
      '?collected_until=2023-02-29',
      400,
      'invalid_request',
      'collected_until',
    ],
    [
      'a share above one',
      'text',
      TEXT,
      {},
      '?held_out_fraction=1.5',
      400,
      'invalid_request',
      'held_out_fraction',
    ],
    ['an unknown parameter', 'text', TEXT, {}, '?license=MIT', 400, 'invalid_request', 'license'],
  ];
  it.each(refused)('of %s are refused', async (_name, kind, body, headers, query, status, code, param) => {
    const answer = await upload(await dataset(kind), body, headers, query);
    expect([answer.status, answer.body.code, answer.body.param]).toEqual([status, code, param]);
  });

  it('into no dataset are refused', async () => {
    expect((await upload('01a205c1-8818-7145-8588-f88f01ece0fb', TEXT)).status).toBe(404);
  });

  it('stream: what is larger than memory should hold is refused while it comes', async () => {
    const id = await dataset();
    const { port } = new URL(await api.app.listen({ port: 0 }));
    let sent = 0;
    const endless = new Readable({
      read() {
        sent += 65_536;
        this.push(sent < 2 ** 30 ? Buffer.alloc(65_536, 'a b\n') : null);
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/v1/datasets/${id}/versions`, {
      method: 'POST',
      body: Readable.toWeb(endless) as never,
      duplex: 'half',
      headers: { authorization: `Bearer ${api.key}`, 'content-type': 'text/plain' },
    } as RequestInit);
    expect(response.status).toBe(413);
    endless.destroy();
    // One that breaks off in the middle leaves nothing, and the server lives on.
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `POST /v1/datasets/${id}/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\n` +
        'Content-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf of it',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    await expect.poll(() => readdir(join(api.config.dataDir, 'ingest'))).toEqual([]);
    expect((await api.call('GET', `/v1/datasets/${id}/versions`)).body.data).toEqual([]);
  });
});

describe('imports', () => {
  const importing = (id: string, path: string, more: object = {}) =>
    api.call('POST', `/v1/datasets/${id}/import`, { body: { path, ...more } });

  it('read a file under an allowed folder, by its ending', async () => {
    const id = await dataset();
    await writeFile(join(roots, 'notes.txt'), TEXT);
    await writeFile(
      join(roots, 'notes.jsonl.gz'),
      gzipSync(documents.map((text) => JSON.stringify({ text })).join('\n')),
    );
    const plain = await importing(id, join(roots, 'notes.txt'), { held_out_fraction: 0, licence: 'MIT' });
    expect([plain.status, plain.body.train.records, plain.body.licence]).toEqual([201, 3, 'MIT']);
    const zipped = await importing(id, join(roots, 'notes.jsonl.gz'), {
      held_out_fraction: 0,
      licence: 'MIT',
    });
    expect(zipped.body).toEqual(plain.body);
  });

  it('never leave the allowed folders', async () => {
    const id = await dataset();
    const outside = join(api.folder, 'secret.txt');
    await writeFile(outside, TEXT);
    await symlink(outside, join(roots, 'link.txt'));
    await mkdir(join(roots, 'folder.txt'));
    await writeFile(join(roots, 'notes.pdf'), TEXT);
    await mkdir(`${roots}-beside`);
    await writeFile(join(`${roots}-beside`, 'a.txt'), TEXT);
    const paths = [
      outside,
      join(roots, '..', 'secret.txt'),
      join(roots, 'link.txt'),
      join(roots, 'folder.txt'),
      join(roots, 'absent.txt'),
      join(roots, 'notes.pdf'),
      join(`${roots}-beside`, 'a.txt'),
      roots,
      '/etc/passwd',
      'notes.txt',
    ];
    for (const path of paths) {
      const { status, body } = await importing(id, path);
      expect([path, status, body.code, body.param]).toEqual([path, 400, 'invalid_path', 'path']);
    }
    const { body } = await importing(id, join(api.folder, 'no-such-file.txt'));
    expect(body.detail).toContain('not under a folder');
  });

  it('of records that are none name the lines', async () => {
    await writeFile(join(roots, 'bad.jsonl'), '{"prompt":"a","chosen":"b","rejected":"b"}\n');
    const { body } = await importing(await dataset('preference'), join(roots, 'bad.jsonl'));
    expect(body.errors).toMatchObject([{ line: 1, param: 'rejected' }]);
  });
});
