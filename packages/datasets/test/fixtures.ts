import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetKind } from '@trainyard/contracts';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { onTestFinished } from 'vitest';
import { type Ingest, ingestDataset } from '../src/ingest/ingest-dataset.ts';

/** A folder that goes when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'datasets-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function temporaryStore(): Promise<{ store: BlobStore; folder: string }> {
  const folder = await temporaryFolder();
  return { store: await openBlobStore(join(folder, 'store')), folder };
}

/** `bytes` as a stream of chunks of at most `size`. */
export async function* chunks(bytes: Uint8Array | string, size = 64): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.from(bytes);
  for (let start = 0; start < buffer.length; start += size) yield buffer.subarray(start, start + size);
}

export const LIMITS = { maxBytes: 10_000_000, maxRecordBytes: 10_000 };

/** Ingests into a store of its own. */
export async function ingest<K extends DatasetKind>(
  kind: K,
  body: Uint8Array | string | AsyncIterable<Uint8Array>,
  options: Partial<Ingest<K>> = {},
) {
  const { store, folder } = await temporaryStore();
  const source = typeof body === 'string' || body instanceof Uint8Array ? chunks(body) : body;
  const spoolDir = join(folder, 'spool');
  const content = await ingestDataset({
    source,
    kind,
    format: 'jsonl',
    compression: 'none',
    limits: LIMITS,
    store,
    spoolDir,
    ...options,
  });
  return { content, store, spoolDir };
}

export const jsonLines = (...records: unknown[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}
