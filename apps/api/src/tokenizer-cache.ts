import type { BlobStore } from '@trainyard/storage';
import { Tokenizer } from '@trainyard/tokenizer';

const KEPT = 4;

/** Loads tokenizers by their blob, keeping the last few. */
export function createTokenizerCache(
  blobs: BlobStore,
): (tokenizer: { sha256: string }) => Promise<Tokenizer> {
  const loaded = new Map<string, Tokenizer>();
  return async ({ sha256 }) => {
    const tokenizer =
      loaded.get(sha256) ??
      Tokenizer.fromJson(JSON.parse(Buffer.from(await blobs.read({ sha256 })).toString()));
    loaded.delete(sha256);
    loaded.set(sha256, tokenizer);
    for (const oldest of loaded.keys()) if (loaded.size > KEPT) loaded.delete(oldest);
    return tokenizer;
  };
}
