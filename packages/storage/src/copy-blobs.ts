import { TrainyardError } from '@trainyard/contracts';
import type { BlobRef, BlobStore } from './blob-store.ts';
import { inLanes } from './in-lanes.ts';

/** Hides the waiting of one transfer behind the others; a disk or a CPU is busy with fewer. */
const LANES = 4;

/** A blob that the source lacks or holds damaged, and what is wrong with it. */
export interface UncopiedBlob {
  sha256: string;
  problem: string;
}

export interface CopyOptions {
  from: BlobStore;
  to: BlobStore;
  /** SHA-256 of each. */
  blobs: Iterable<string>;
  /** The size of a blob that `to` has and that need not be copied again; by default every blob is. */
  present?: (sha256: string) => Promise<number | undefined>;
  onBlob?: (blob: BlobRef, copied: boolean) => void;
}

/**
 * Copies blobs, each verified on its way, and goes on where the source's are missing or damaged.
 * @returns those; other failures are thrown, as `BlobStore` does
 */
export async function copyBlobs(options: CopyOptions): Promise<UncopiedBlob[]> {
  const { from, to, blobs, present = async () => undefined, onBlob = () => {} } = options;
  const uncopied: UncopiedBlob[] = [];
  await inLanes(blobs, LANES, async (sha256) => {
    const bytes = await present(sha256);
    if (bytes !== undefined) return onBlob({ sha256, bytes }, false);
    try {
      onBlob(await to.put(await from.open({ sha256 })), true);
    } catch (error) {
      if (!isDamage(error)) throw error;
      uncopied.push({ sha256, problem: error.message });
    }
  });
  return uncopied;
}

/** Whether a blob itself is missing or damaged, as opposed to a store that failed. */
export function isDamage(error: unknown): error is TrainyardError {
  return error instanceof TrainyardError && (error.code === 'not_found' || error.code === 'integrity');
}
