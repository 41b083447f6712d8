import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { TrainyardError } from '@trainyard/contracts';
import { extract } from 'tar-stream';

/**
 * Throws `conflict` unless the folder is new or empty, or `force` lets files in it be replaced; makes it if need be.
 */
export async function openTarget(folder: string, force: boolean): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (!force && (await readdir(folder)).length > 0)
    throw new TrainyardError('conflict', `${folder} is not empty; choose another folder, or give --force.`, {
      param: 'folder',
    });
}

/** Unpacks an archive of plain files, each under its name once it is whole. Throws `integrity` for anything else. */
export async function unpackTar(body: NonNullable<Response['body']>, folder: string): Promise<string[]> {
  const files: string[] = [];
  const entries = extract();
  const feeding = pipeline(
    Readable.fromWeb(body as ReadableStream),
    entries as unknown as NodeJS.WritableStream,
  );
  feeding.catch(() => {}); // the loop below fails of the same
  for await (const entry of entries) {
    const { name, type } = entry.header;
    if (type !== 'file' || basename(name) !== name)
      throw new TrainyardError('integrity', `The server sent ${name}, which is no plain file of a folder.`);
    const target = join(folder, name);
    const part = `${target}.part`;
    try {
      await pipeline(entry as AsyncIterable<Uint8Array>, createWriteStream(part));
      await rename(part, target);
    } finally {
      await rm(part, { force: true });
    }
    files.push(target);
  }
  await feeding;
  return files;
}
