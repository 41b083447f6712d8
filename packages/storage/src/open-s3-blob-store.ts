import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import type { BlobStore, BlobStoreOptions } from './blob-store.ts';
import { invalidUrl } from './invalid-url.ts';
import { S3BlobStore } from './s3-blob-store.ts';
import { attempt } from './storage-error.ts';

/** Opens `s3://bucket/prefix?...`; its parameters and errors are described at `openBlobStore`. */
export async function openS3BlobStore(
  url: URL,
  options: BlobStoreOptions,
  now: () => Date,
): Promise<BlobStore> {
  const { endpoint, region, forcePathStyle } = parseParameters(url);
  const path = url.pathname.replace(/^\/+|\/+$/g, '');
  // The characters that S3 calls safe: others would need encoding, here and in every tool beside this one.
  if (!/^[\w!.*'()/-]*$/.test(path))
    throw invalidUrl("its prefix holds something else than letters, digits and /!_.*'()-");
  const spoolFolder = options.spoolFolder ?? join(tmpdir(), 'trainyard-spool');
  await attempt(`opening the spool folder ${spoolFolder}`, () => mkdir(spoolFolder, { recursive: true }));
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(options.credentials && { credentials: options.credentials }),
    forcePathStyle,
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
  });
  try {
    return await S3BlobStore.open({
      client,
      bucket: url.hostname,
      prefix: path === '' ? '' : `${path}/`,
      location: `s3://${url.hostname}/${path}${endpoint === undefined ? '' : ` at ${endpoint}`}`,
      spoolFolder,
      partBytes: options.partBytes ?? 8 * 1024 * 1024,
      now,
    });
  } catch (cause) {
    client.destroy();
    throw cause;
  }
}

interface S3Parameters {
  endpoint: string | undefined;
  region: string | undefined;
  forcePathStyle: boolean;
}

/** Refuses what it does not know without repeating values: they might be secrets. */
function parseParameters(url: URL): S3Parameters {
  const known = ['endpoint', 'region', 'forcePathStyle'];
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalidUrl(`the parameter "${unknown}" is none of ${known.join(', ')}`);
  if (url.hostname === '') throw invalidUrl('it names no bucket: s3://bucket/prefix');
  const endpoint = url.searchParams.get('endpoint') ?? undefined;
  const server = endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (endpoint !== undefined && !['http:', 'https:'].includes(server?.protocol ?? '')) {
    throw invalidUrl('endpoint is no http:// or https:// address');
  }
  if (url.username || url.password || server?.username || server?.password) {
    throw invalidUrl('it holds credentials; give them through the environment or a role');
  }
  const style = url.searchParams.get('forcePathStyle') ?? String(endpoint !== undefined);
  if (style !== 'true' && style !== 'false') throw invalidUrl('forcePathStyle is neither true nor false');
  // The signature needs some region; services with an endpoint of their own take this one.
  const region = url.searchParams.get('region') ?? (endpoint === undefined ? undefined : 'us-east-1');
  return { endpoint, region, forcePathStyle: style === 'true' };
}
