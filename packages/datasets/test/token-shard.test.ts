import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BpeTrainer, type Tokenizer } from '@trainyard/tokenizer';
import { expect, test } from 'vitest';
import { TokenShard, TokenShardWriter } from '../src/token-shard.ts';
import { tokenizeText } from '../src/tokenize-text.ts';
import { ingest, jsonLines, temporaryFolder } from './fixtures.ts';

const TEXTS = ['the train is in the yard', 'the yard is in the town 🚂', 'a town'];

function trainTokenizer(vocabSize: number): Tokenizer {
  const trainer = new BpeTrainer({ vocabSize });
  for (const text of TEXTS) trainer.add(text);
  return trainer.train();
}

async function corpus() {
  const { content, store } = await ingest('text', jsonLines(...TEXTS.map((text) => ({ text }))), {
    heldOutFraction: 0,
  });
  return { content, store, split: 'train' as const };
}

test('documents in order, each followed by endOfText; a second call reads the same file', async () => {
  const cacheDir = join(await temporaryFolder(), 'tokens');
  const tokenizer = trainTokenizer(280);
  const options = { ...(await corpus()), tokenizer, cacheDir };
  const expected = TEXTS.flatMap((text) => [...tokenizer.encode(text), tokenizer.special.endOfText]);
  const shard = await tokenizeText(options);
  expect(shard.length).toBe(expected.length);
  expect([...shard.read(0, shard.length)]).toEqual(expected);
  expect([...shard.read(3, 4)]).toEqual(expected.slice(3, 7));
  expect(() => shard.read(shard.length - 1, 2)).toThrow(RangeError);
  shard.close();
  const files = await readdir(cacheDir);
  expect(files).toHaveLength(1);
  const path = join(cacheDir, files[0]!);
  const { mtimeMs, ino } = await stat(path);
  (await tokenizeText(options)).close();
  expect(await stat(path)).toMatchObject({ mtimeMs, ino });
  (await tokenizeText({ ...options, tokenizer: trainTokenizer(270) })).close();
  expect(await readdir(cacheDir)).toHaveLength(2);
});

test.each(['cut', 'changed'])('a file that was %s is written anew', async (damage) => {
  const cacheDir = await temporaryFolder();
  const options = { ...(await corpus()), tokenizer: trainTokenizer(280), cacheDir };
  const shard = await tokenizeText(options);
  const expected = shard.read(0, shard.length);
  shard.close();
  const path = join(cacheDir, (await readdir(cacheDir))[0]!);
  const bytes = await readFile(path);
  bytes[bytes.length - 2]! ^= 1;
  if (damage === 'cut') await truncate(path, bytes.length - 2);
  else await writeFile(path, bytes);
  await expect(TokenShard.open(path)).rejects.toMatchObject({ code: 'integrity' });
  const again = await tokenizeText(options);
  expect(again.read(0, again.length)).toEqual(expected);
  again.close();
});

test.each([
  [65_536, 2],
  [65_537, 4],
])('a vocabulary of %d takes %d bytes a token', async (vocabSize, bytesPerToken) => {
  const path = join(await temporaryFolder(), 'shard');
  const tokens = Int32Array.from({ length: 200_000 }, (_, i) => (i * 7919) % vocabSize);
  const writer = await TokenShardWriter.create(path, vocabSize);
  await writer.add(tokens.subarray(0, 70_000));
  await writer.add(tokens.subarray(70_000));
  await writer.finish();
  await writer.close();
  expect((await stat(path)).size).toBe(56 + 200_000 * bytesPerToken);
  const shard = await TokenShard.open(path);
  expect(shard.read(0, shard.length)).toEqual(tokens);
  shard.close();
});

test('an unfinished file does not open', async () => {
  const path = join(await temporaryFolder(), 'shard');
  const writer = await TokenShardWriter.create(path, 300);
  await writer.add(Int32Array.of(1, 2, 3));
  await writer.close();
  await expect(TokenShard.open(path)).rejects.toMatchObject({ code: 'integrity' });
});
