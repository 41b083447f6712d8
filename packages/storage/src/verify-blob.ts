import type { BlobStore } from './blob-store.ts';
import { isDamage } from './copy-blobs.ts';

/**
 * Reads a blob to its end, in pieces.
 * @returns its length in bytes, or what is wrong with it; a store that fails is thrown
 */
export async function verifyBlob(
  store: BlobStore,
  sha256: string,
): Promise<{ bytes: number } | { problem: string }> {
  try {
    let bytes = 0;
    for await (const chunk of await store.open({ sha256 })) bytes += (chunk as Uint8Array).byteLength;
    return { bytes };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { problem: error.message };
  }
}
