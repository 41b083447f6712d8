import type { FileHandle } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Spooled } from './spool.ts';

/** Limits of S3: at most 10,000 parts in one upload. */
const MAX_PARTS = 10_000;
/** Parts in flight; each is held in memory, so that a failed request can be sent again. */
const CONCURRENCY = 4;

/**
 * Uploads a spooled file under `key`: one PutObject up to `partBytes`, else a multipart upload. Either way the
 * object appears as a whole or not at all. PutObject makes the service check the SHA-256, a part its CRC32.
 */
export async function uploadToS3(
  client: S3Client,
  target: { Bucket: string; Key: string },
  spooled: Spooled,
  partBytes: number,
): Promise<void> {
  if (spooled.bytes <= partBytes) {
    const Body = await readPart(spooled.handle, 0, spooled.bytes);
    const ChecksumSHA256 = Buffer.from(spooled.sha256, 'hex').toString('base64');
    await client.send(new PutObjectCommand({ ...target, Body, ChecksumSHA256 }));
    return;
  }
  const create = new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: 'CRC32' });
  const upload = { ...target, UploadId: (await client.send(create)).UploadId };
  try {
    const Parts = await uploadParts(client, upload, spooled, partBytes);
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  } catch (cause) {
    // Should this fail too, the bucket's lifecycle rule for incomplete uploads removes the parts.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw cause;
  }
}

async function uploadParts(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
  spooled: Spooled,
  partBytes: number,
): Promise<CompletedPart[]> {
  const step = Math.max(partBytes, Math.ceil(spooled.bytes / MAX_PARTS));
  const parts: CompletedPart[] = [];
  let next = 0;
  const sender = async (): Promise<void> => {
    while (next * step < spooled.bytes) {
      const index = next++;
      const Body = await readPart(spooled.handle, index * step, Math.min((index + 1) * step, spooled.bytes));
      const part = { ...upload, PartNumber: index + 1, Body, ChecksumAlgorithm: 'CRC32' as const };
      const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part));
      parts[index] = { PartNumber: index + 1, ETag, ChecksumCRC32 };
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: CONCURRENCY }, sender));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
  return parts;
}

async function readPart(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const part = new Uint8Array(end - start);
  for (let offset = 0; offset < part.byteLength; ) {
    const { bytesRead } = await handle.read(part, offset, part.byteLength - offset, start + offset);
    if (bytesRead === 0) throw new Error('the spool file became shorter while it was uploaded');
    offset += bytesRead;
  }
  return part;
}
