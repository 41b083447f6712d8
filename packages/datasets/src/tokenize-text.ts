import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Split, TrainyardError } from '@trainyard/contracts';
import { attempt, type BlobStore } from '@trainyard/storage';
import type { Tokenizer } from '@trainyard/tokenizer';
import { readRecords } from './read-records.ts';
import { TokenShard, TokenShardWriter } from './token-shard.ts';
import { type DatasetVersionContent, splitOf } from './version-content.ts';

export interface TokenizeText {
  store: BlobStore;
  content: DatasetVersionContent<'text'>;
  split: Split;
  tokenizer: Tokenizer;
  /** Token files are kept here, one for each split and tokenizer; deleting them costs only time. */
  cacheDir: string;
}

/**
 * A split's documents as one run of tokens, each document followed by endOfText. A verified file of an earlier call is
 * used again; a damaged one is written anew. Two processes may do this at once.
 */
export async function tokenizeText(options: TokenizeText): Promise<TokenShard> {
  const { content, split, tokenizer, cacheDir } = options;
  const key = JSON.stringify([splitOf(content, split).sha256, tokenizer.toJson()]);
  const path = join(cacheDir, `${createHash('sha256').update(key).digest('hex')}.tokens`);
  const kept = await openVerified(path);
  if (kept) return kept;
  const doing = `writing to ${cacheDir}`;
  await attempt(doing, () => mkdir(cacheDir, { recursive: true }));
  const unfinished = `${path}.${randomUUID()}`;
  try {
    await writeTokens(unfinished, options);
    await attempt(doing, () => rename(unfinished, path));
  } finally {
    await rm(unfinished, { force: true });
  }
  return TokenShard.open(path);
}

async function openVerified(path: string): Promise<TokenShard | undefined> {
  try {
    return await TokenShard.open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof TrainyardError && error.code === 'integrity') return undefined;
    throw error;
  }
}

async function writeTokens(path: string, { store, content, split, tokenizer }: TokenizeText): Promise<void> {
  const endOfText = Int32Array.of(tokenizer.special.endOfText);
  const writer = await TokenShardWriter.create(path, tokenizer.vocabSize);
  try {
    for await (const { text } of readRecords(store, content, split)) {
      await writer.add(tokenizer.encode(text));
      await writer.add(endOfText);
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
}
