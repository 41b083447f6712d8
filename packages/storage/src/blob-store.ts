import type { Readable } from 'node:stream';

/** Names one blob: `sha256` in 64 lower-case hex digits, `bytes` its length. */
export interface BlobRef {
  sha256: string;
  bytes: number;
}

export interface BlobInfo extends BlobRef {
  /** When it was last put, by the clock of the machine that holds it; putting existing content renews it. */
  modifiedAt: Date;
}

/** Half-open, as in `slice`: the bytes start, start + 1, ..., end - 1. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Content in one piece or in chunks; chunks are consumed one at a time and must not be changed meanwhile. */
export type BlobContent = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Content-addressed blobs: a blob exists whole or not at all, and never changes.
 *
 * Errors of every method: `not_found` (no such blob), `integrity` (the content is not what its name says),
 * `storage_full`, `unavailable` (the folder or the S3 service failed; a retry may help), `invalid_request`.
 */
export interface BlobStore {
  /** For logs and messages; holds no credentials. */
  readonly location: string;
  /** Durable once it resolves. An error of `content` itself is thrown on unchanged; nothing is left behind. */
  put(content: BlobContent): Promise<BlobRef>;
  /**
   * A stream for downloads. A whole blob is verified on the way: the stream fails at its end if the bytes
   * were not the blob's. A range cannot be verified.
   */
  open(ref: { sha256: string }, range?: ByteRange): Promise<Readable>;
  /** The whole blob, verified. `bytes`, where given, is checked before anything is read. */
  read(ref: { sha256: string; bytes?: number }): Promise<Uint8Array>;
  has(sha256: string): Promise<boolean>;
  size(sha256: string): Promise<number>;
  /** Answers whether this call deleted it: not if it was absent or last put at `unlessSince` or later. */
  delete(sha256: string, options?: { unlessSince?: Date }): Promise<boolean>;
  list(): AsyncIterable<BlobInfo>;
  /** Room for more, in bytes; undefined where the store does not tell. */
  freeBytes(): Promise<number | undefined>;
  /** Where the blob lies (or would lie) on this machine; only a folder has such a place. */
  path?(sha256: string): string;
  close(): Promise<void>;
}

export interface BlobStoreOptions {
  /** The clock that tells how old leftovers and blobs are; the machine's by default. */
  now?: () => Date;
  /** S3 only: instead of the AWS SDK's default chain (environment, shared files, container or instance role). */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** S3 only: where content waits for its upload; needs room for the largest file. The system's by default. */
  spoolFolder?: string;
  /** S3 only: larger content goes up in parts of this size, at least 5 MiB (the limit of S3); 8 MiB by default. */
  partBytes?: number;
}
