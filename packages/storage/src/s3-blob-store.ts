import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { TrainyardError } from '@trainyard/contracts';
import type { BlobContent, BlobInfo, BlobRef, BlobStore, ByteRange } from './blob-store.ts';
import { blobKey, blobNotFound, isSha256 } from './content-address.ts';
import { type BlobSource, openBlob, readBlob } from './read-blob.ts';
import { isSpool, withSpooled } from './spool.ts';
import { attempt, storageError } from './storage-error.ts';
import { sweepLeftovers } from './sweep-leftovers.ts';
import { uploadToS3 } from './upload-to-s3.ts';

/** A blob put again within this time of its last upload is not uploaded again. */
const RENEW_AFTER_MS = 60 * 60 * 1000;

export interface S3BlobStoreOptions {
  client: S3Client;
  bucket: string;
  /** Put before every key: empty, or ending in '/'. */
  prefix: string;
  location: string;
  /** An existing folder for content on its way up. */
  spoolFolder: string;
  partBytes: number;
  now: () => Date;
}

/** Blobs as objects `<prefix>blobs/ab/<sha256>` of one bucket. */
export class S3BlobStore implements BlobStore, BlobSource {
  readonly location: string;
  readonly #options: S3BlobStoreOptions;

  private constructor(options: S3BlobStoreOptions) {
    this.location = options.location;
    this.#options = options;
  }

  static async open(options: S3BlobStoreOptions): Promise<S3BlobStore> {
    const { client, bucket, location, spoolFolder, now } = options;
    await attempt(`opening the spool folder ${spoolFolder}`, () =>
      sweepLeftovers(spoolFolder, isSpool, now()),
    );
    try {
      await client.send(new HeadBucketCommand({ Bucket: bucket }));
    } catch (cause) {
      if (!isAbsent(cause)) throw storageError(cause, `opening ${location}`);
      throw new TrainyardError(
        'invalid_config',
        `There is no bucket "${bucket}" at ${location}: create it.`,
        {
          param: 'bucket',
          cause,
        },
      );
    }
    return new S3BlobStore(options);
  }

  put(content: BlobContent): Promise<BlobRef> {
    const { client, spoolFolder, partBytes } = this.#options;
    return withSpooled(spoolFolder, content, async (spooled) => {
      const { sha256, bytes } = spooled;
      if (!(await this.#isFresh({ sha256, bytes }))) {
        const doing = `writing blob ${sha256} to ${this.location}`;
        await attempt(doing, () => uploadToS3(client, this.#target(sha256), spooled, partBytes));
      }
      return { sha256, bytes };
    });
  }

  open(ref: { sha256: string }, range?: ByteRange): Promise<Readable> {
    return openBlob(this, ref.sha256, range);
  }

  read(ref: { sha256: string; bytes?: number }): Promise<Uint8Array> {
    return readBlob(this, ref);
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#head(sha256)) !== undefined;
  }

  async size(sha256: string): Promise<number> {
    const head = await this.#head(sha256);
    if (!head) throw blobNotFound(sha256, this.location);
    return head.bytes;
  }

  async delete(sha256: string, options: { unlessSince?: Date } = {}): Promise<boolean> {
    const head = await this.#head(sha256);
    if (!head || (options.unlessSince && head.modifiedAt >= options.unlessSince)) return false;
    await attempt(`deleting blob ${sha256} from ${this.location}`, () =>
      this.#options.client.send(new DeleteObjectCommand(this.#target(sha256))),
    );
    return true;
  }

  async *list(): AsyncGenerator<BlobInfo> {
    const { client, bucket, prefix } = this.#options;
    try {
      for await (const page of paginateListObjectsV2(
        { client },
        { Bucket: bucket, Prefix: `${prefix}blobs/` },
      )) {
        for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
          const sha256 = Key.slice(Key.lastIndexOf('/') + 1);
          if (!isSha256(sha256) || Key !== this.#target(sha256).Key) continue;
          yield { sha256, bytes: Size, modifiedAt: LastModified };
        }
      }
    } catch (cause) {
      throw storageError(cause, `listing ${this.location}`);
    }
  }

  async *chunks(sha256: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const Range = range && `bytes=${range.start}-${range.end - 1}`;
    try {
      const { Body } = await this.#options.client.send(
        new GetObjectCommand({ ...this.#target(sha256), Range }),
      );
      yield* Body as Readable;
    } catch (cause) {
      if (isAbsent(cause)) throw blobNotFound(sha256, this.location);
      throw storageError(cause, `reading blob ${sha256} from ${this.location}`);
    }
  }

  async freeBytes(): Promise<undefined> {}

  async close(): Promise<void> {
    this.#options.client.destroy();
  }

  #target(sha256: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + blobKey(sha256) };
  }

  async #head(sha256: string): Promise<BlobInfo | undefined> {
    try {
      const head = await this.#options.client.send(new HeadObjectCommand(this.#target(sha256)));
      return { sha256, bytes: head.ContentLength ?? 0, modifiedAt: head.LastModified ?? new Date(0) };
    } catch (cause) {
      if (isAbsent(cause)) return undefined;
      throw storageError(cause, `looking up blob ${sha256} in ${this.location}`);
    }
  }

  /** There already, whole, and too young to be collected before this put's caller refers to it. */
  async #isFresh(ref: BlobRef): Promise<boolean> {
    const head = await this.#head(ref.sha256);
    const since = this.#options.now().getTime() - RENEW_AFTER_MS;
    return head !== undefined && head.bytes === ref.bytes && head.modifiedAt.getTime() > since;
  }
}

function isAbsent(cause: unknown): boolean {
  return (cause as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode === 404;
}
