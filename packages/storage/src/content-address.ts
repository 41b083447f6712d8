import { TrainyardError } from '@trainyard/contracts';
import type { BlobRef } from './blob-store.ts';

const SHA256 = /^[0-9a-f]{64}$/;

export function isSha256(value: unknown): value is string {
  return typeof value === 'string' && SHA256.test(value);
}

/** The place of a blob inside its store: `blobs/ab/ab12...`. Refuses whatever is no hash, such as a path. */
export function blobKey(sha256: string): string {
  if (!isSha256(sha256)) {
    throw new TrainyardError('invalid_request', 'A blob is named by a SHA-256 of 64 lower-case hex digits.', {
      param: 'sha256',
    });
  }
  return `blobs/${sha256.slice(0, 2)}/${sha256}`;
}

export function blobNotFound(sha256: string, location: string): TrainyardError {
  return new TrainyardError('not_found', `There is no blob ${sha256} in ${location}.`, { param: 'sha256' });
}

export function integrityError(ref: BlobRef, location: string, found: string): TrainyardError {
  return new TrainyardError(
    'integrity',
    `Blob ${ref.sha256} in ${location} is damaged: ${found}. Restore it from a backup, or write the same ` +
      'content again, which replaces a damaged blob. A run can resume from an earlier checkpoint.',
    { param: ref.sha256 },
  );
}
