import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { type BlobStore, type BlobStoreOptions, openBlobStore } from '../src/index.ts';

/** A place for blobs that a test can reach around the store: to damage a blob, or to see what was left behind. */
export interface Backend {
  open(options?: BlobStoreOptions): Promise<BlobStore>;
  readRaw(key: string): Promise<Uint8Array>;
  writeRaw(key: string, content: Uint8Array): Promise<void>;
  leftovers(): Promise<string[]>;
  stop(): Promise<void>;
}

async function startFolder(): Promise<Backend> {
  const root = await mkdtemp(join(tmpdir(), 'trainyard-folder-'));
  return {
    open: (options) => openBlobStore(root, options),
    readRaw: (key) => readFile(join(root, key)),
    async writeRaw(key, content) {
      await mkdir(dirname(join(root, key)), { recursive: true });
      await writeFile(join(root, key), content);
    },
    leftovers: () => readdir(join(root, 'tmp')),
    stop: () => rm(root, { recursive: true }),
  };
}

export async function startS3(): Promise<Backend> {
  const server = await startFauxqs({ port: 0, logger: false });
  const Bucket = 'models';
  server.createBucket(Bucket);
  const spoolFolder = await mkdtemp(join(tmpdir(), 'trainyard-spool-'));
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const endpoint = server.address;
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  const url = `s3://${Bucket}/team/a?endpoint=${endpoint}`;
  const Key = (key: string) => `team/a/${key}`;
  return {
    open: (options) =>
      openBlobStore(url, { credentials, spoolFolder, partBytes: 5 * 1024 * 1024, ...options }),
    async readRaw(key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: Key(key) }));
      return Body!.transformToByteArray();
    },
    async writeRaw(key, content) {
      await client.send(new PutObjectCommand({ Bucket, Key: Key(key), Body: content }));
    },
    leftovers: () => readdir(spoolFolder),
    async stop() {
      client.destroy();
      await server.stop();
      await rm(spoolFolder, { recursive: true });
    },
  };
}

export const BACKENDS: [string, () => Promise<Backend>][] = [
  ['folder', startFolder],
  ['S3', startS3],
];

export function keyOf(sha256: string): string {
  return `blobs/${sha256.slice(0, 2)}/${sha256}`;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
