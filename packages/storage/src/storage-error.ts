import { TrainyardError } from '@trainyard/contracts';

/** How file systems and S3 services say that there is no room: errno names, S3 error codes, HTTP 507. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'XMinioStorageFull', 'QuotaExceeded', 'InsufficientStorage']);

interface StorageFailure {
  code?: unknown;
  name?: unknown;
  message?: unknown;
  $metadata?: { httpStatusCode?: number };
}

/**
 * What a failed file or S3 operation means to a user: `storage_full` or `unavailable`.
 * `doing` completes "while ...", for example "writing a blob to /data".
 */
export function storageError(cause: unknown, doing: string): TrainyardError {
  if (cause instanceof TrainyardError) return cause;
  const failure = (cause ?? {}) as StorageFailure;
  const full = FULL.has(String(failure.code)) || FULL.has(String(failure.name));
  if (full || failure.$metadata?.httpStatusCode === 507) {
    return new TrainyardError(
      'storage_full',
      `No space was left while ${doing}. Nothing half-written was kept: free space or raise the quota, then retry.`,
      { cause },
    );
  }
  const reason = String(failure.message || failure.code || failure.name || cause).replace(/\.$/, '');
  return new TrainyardError(
    'unavailable',
    `Storage failed while ${doing}: ${reason}. Check that it is reachable and that its permissions allow this.`,
    { cause },
  );
}

/** Runs a file or S3 operation; whatever it throws becomes a `storageError`. */
export async function attempt<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    throw storageError(cause, doing);
  }
}
