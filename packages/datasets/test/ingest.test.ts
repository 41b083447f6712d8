import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { TrainyardError } from '@trainyard/contracts';
import { expect, test } from 'vitest';
import { ingestDataset } from '../src/ingest/ingest-dataset.ts';
import { previewDataset, readRecords } from '../src/read-records.ts';
import { chunks, collect, ingest, jsonLines, LIMITS, temporaryStore } from './fixtures.ts';

const chat = (n: number) => ({
  messages: [
    { role: 'user', content: `Grüße ${n} 🚂?` },
    { role: 'assistant', content: `Züge ${n}!` },
  ],
});

test('stores canonical lines with their counts, and a hash over kind and lines', async () => {
  const { content, store } = await ingest('text', '\ufeff{ "text" : "a🚂" }\r\n\n{"text":"b\\nc"}', {
    heldOutFraction: 0,
  });
  const lines = '{"text":"a🚂"}\n{"text":"b\\nc"}\n';
  const sha256 = createHash('sha256').update(lines).digest('hex');
  expect(content).toMatchObject({
    kind: 'text',
    contentHash: createHash('sha256').update(`text\n${lines}`).digest('hex'),
    train: { sha256, bytes: Buffer.byteLength(lines), records: 2, characters: 5 },
    heldOut: { bytes: 0, records: 0, characters: 0 },
    duplicates: 0,
  });
  expect(Buffer.from(await store.read(content.train)).toString()).toBe(lines);
});

test('the content is the same however the upload is cut and compressed', async () => {
  const body = Buffer.from(jsonLines(...Array.from({ length: 300 }, (_, n) => chat(n))));
  const { content } = await ingest('chat', body, { heldOutFraction: 0.2 });
  for (const size of [1, 7, 1000]) {
    const cut = await ingest('chat', chunks(body, size), { heldOutFraction: 0.2 });
    expect(cut.content).toEqual(content);
  }
  for (const level of [1, 9]) {
    const zipped = gzipSync(body, { level });
    const { content: unzipped } = await ingest('chat', chunks(zipped, 13), {
      compression: 'gzip',
      heldOutFraction: 0.2,
    });
    expect(unzipped).toEqual(content);
  }
});

test('the split depends on the text alone, is near its fraction, and no text is in both', async () => {
  const texts = Array.from({ length: 2000 }, (_, n) => ({ text: `document ${n}` }));
  const forward = await ingest('text', jsonLines(...texts), { heldOutFraction: 0.2 });
  const backward = await ingest('text', jsonLines(...texts.toReversed(), ...texts), { heldOutFraction: 0.2 });
  const of = async (from: typeof forward, split: 'train' | 'held_out') =>
    (await collect(readRecords(from.store, from.content, split))).map(({ text }) => text);
  const heldOut = await of(forward, 'held_out');
  expect(heldOut.toSorted()).toEqual((await of(backward, 'held_out')).toSorted());
  // Binomial: 400 expected, standard deviation 18.
  expect(heldOut.length).toBeGreaterThan(330);
  expect(heldOut.length).toBeLessThan(470);
  const train = await of(forward, 'train');
  expect(new Set([...train, ...heldOut]).size).toBe(2000);
  expect(train.length + heldOut.length).toBe(2000);
  expect(backward.content.duplicates).toBe(2000);
  expect(backward.content.contentHash).not.toBe(forward.content.contentHash);
  const other = await ingest('text', jsonLines(...texts), { heldOutFraction: 1 });
  expect(other.content.contentHash).toBe(forward.content.contentHash);
  expect(other.content.train.records).toBe(0);
});

test('duplicates are found by their canonical form', async () => {
  const { content } = await ingest(
    'chat',
    jsonLines(
      { system: 'Be brief.', ...chat(1) },
      { messages: [{ content: 'Be brief.', role: 'system' }, ...chat(1).messages] },
    ),
  );
  expect(content.train.records + content.heldOut.records).toBe(1);
  expect(content.duplicates).toBe(1);
});

test('plain text: blocks between blank lines are documents', async () => {
  const { content, store } = await ingest('text', '\n\none\r\n two\r\n \t\r\nthree\n\n\nfour', {
    format: 'text',
    heldOutFraction: 0,
  });
  expect(await collect(readRecords(store, content, 'train'))).toEqual([
    { text: 'one\n two' },
    { text: 'three' },
    { text: 'four' },
  ]);
  await expect(ingest('chat', 'hello', { format: 'text' })).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('a preview reads the first records', async () => {
  const { content, store } = await ingest('chat', jsonLines(chat(1), chat(2), chat(3)), {
    heldOutFraction: 0,
  });
  expect(await previewDataset(store, content, { split: 'train', limit: 2 })).toEqual([chat(1), chat(2)]);
  expect(await previewDataset(store, content, { split: 'held_out', limit: 2 })).toEqual([]);
});

test('all problems are counted, ten are listed, and nothing is stored', async () => {
  const { store, folder } = await temporaryStore();
  const body = Buffer.concat([
    Buffer.from('{"text":"fine"}\n{"text":"ab'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('"}\nnot json\n'),
    Buffer.from(jsonLines({ text: 7 }, { text: ' ' }, { text: 'a', title: 'b' }, ['a'])),
    Buffer.from(`{"text":"\\ud800"}\n{"text":"${'x'.repeat(LIMITS.maxRecordBytes)}"}\n`),
    Buffer.from('{}\n'.repeat(20)),
  ]);
  const options = { kind: 'text', format: 'jsonl', compression: 'none', limits: LIMITS, store } as const;
  const spoolDir = join(folder, 'spool');
  const failure = await ingestDataset({ ...options, source: chunks(body), spoolDir }).catch((error) => error);
  expect(failure).toBeInstanceOf(TrainyardError);
  expect(failure).toMatchObject({
    code: 'invalid_data',
    message: '28 problems in the upload; the first 10 are listed. Nothing was stored.',
    details: [
      { line: 2, message: 'byte 13 of the line is not valid UTF-8' },
      { line: 3, message: expect.stringMatching(/^not JSON: /) },
      { line: 4, param: 'text', message: 'text must be a string' },
      { line: 5, param: 'text', message: 'text must not be blank' },
      { line: 6, param: 'title', message: 'title is not a field of this kind of record' },
      { line: 7, message: 'a record must be an object' },
      { line: 8, param: 'text', message: 'text holds half of a surrogate pair' },
      { line: 9, message: 'the record is longer than 10000 bytes' },
      { line: 10, param: 'text', message: 'text is missing' },
      { line: 11, param: 'text', message: 'text is missing' },
    ],
  });
  expect(await collect(store.list())).toEqual([]);
  expect(await readdir(spoolDir)).toEqual([]);
});

test.each(['', '\n\n', '\ufeff\n'])('an upload without records is refused: %j', async (body) => {
  await expect(ingest('text', body)).rejects.toMatchObject({ code: 'invalid_data' });
  await expect(ingest('text', body, { format: 'text' })).rejects.toMatchObject({ code: 'invalid_data' });
});

test('a document of plain text beyond the limit is one problem, named by its first line', async () => {
  const long = `${'x'.repeat(99)}\n`.repeat(200);
  await expect(ingest('text', `a\n\n${long}\nb`, { format: 'text' })).rejects.toMatchObject({
    message: '1 problem in the upload. Nothing was stored.',
    details: [{ line: 3, message: expect.stringContaining('longer than 10000 bytes') }],
  });
});

test('limits end an upload, and an error of the source is passed on', async () => {
  const body = jsonLines(chat(1), chat(2), chat(3));
  await expect(ingest('chat', body, { limits: { ...LIMITS, maxBytes: 100 } })).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  await expect(ingest('chat', body, { limits: { ...LIMITS, maxRecords: 2 } })).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  await expect(ingest('chat', body, { heldOutFraction: 1.5 })).rejects.toMatchObject({
    code: 'invalid_request',
  });
  async function* aborted() {
    yield Buffer.from(body);
    throw new Error('aborted');
  }
  await expect(ingest('chat', aborted())).rejects.toThrow('aborted');
  await expect(ingest('chat', aborted(), { compression: 'gzip' })).rejects.toThrow();
});

test('a gzip bomb ends at the limit, a damaged stream is named', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20), { level: 9 });
  expect(bomb.length).toBeLessThan(100_000);
  await expect(ingest('text', bomb, { compression: 'gzip' })).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  const whole = gzipSync(jsonLines(chat(1)));
  for (const bytes of [whole.subarray(0, -3), Buffer.from('plain'), Buffer.alloc(0)]) {
    await expect(ingest('chat', bytes, { compression: 'gzip' })).rejects.toMatchObject({
      code: 'invalid_data',
    });
  }
});
