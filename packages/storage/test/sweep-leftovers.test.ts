import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sweepLeftovers } from '../src/index.ts';

test('files and folders go once they are older than a day, those of others never', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-sweep-'));
  try {
    const old = new Date(Date.now() - 25 * 3_600_000);
    for (const age of ['old', 'new']) {
      await writeFile(join(folder, `${age}.spool`), age);
      await mkdir(join(folder, `${age}-folder`));
      await writeFile(join(folder, `${age}-folder`, 'train'), age);
    }
    await writeFile(join(folder, 'another.txt'), 'not ours');
    for (const name of ['old.spool', 'old-folder', 'another.txt']) await utimes(join(folder, name), old, old);
    const isOurs = (name: string) => name.endsWith('.spool') || name.endsWith('-folder');
    await sweepLeftovers(folder, isOurs, new Date());
    expect((await readdir(folder)).sort()).toEqual(['another.txt', 'new-folder', 'new.spool']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
