import { readFile, stat, truncate, writeFile } from 'node:fs/promises';

/** Turns one bit of a file around, as a disk does that ages. */
export async function flipBit(file: string, byte: number, bit = 0): Promise<void> {
  const content = await readFile(file);
  content[byte]! ^= 1 << bit;
  await writeFile(file, content);
}

/** Leaves the first `bytes` bytes, or all but the last. */
export async function cutShort(file: string, bytes = -1): Promise<void> {
  await truncate(file, bytes < 0 ? (await stat(file)).size + bytes : bytes);
}
