import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/contracts';
import { pack } from 'tar-stream';
import { fileError } from './read-input.ts';

/**
 * The files at the top of a folder as a tar archive, read as it is sent. Links to files are followed, as the caches of
 * other tools are made of them; what begins with a dot is left out. Throws `invalid_path` for a folder inside it.
 */
export async function packFolder(folder: string): Promise<ReadableStream> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(folder, error, 'folder');
  });
  const files: { name: string; path: string; size: number }[] = [];
  for (const name of names.filter((one) => !one.startsWith('.')).sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch((error: unknown) => {
      throw fileError(path, error, 'folder');
    });
    if (!found.isFile())
      throw new TrainyardError('invalid_path', `${path} is no file; a model folder holds files alone.`, {
        param: 'folder',
      });
    files.push({ name, path, size: found.size });
  }
  if (files.length === 0)
    throw new TrainyardError('invalid_path', `${folder} holds no files.`, { param: 'folder' });
  const archive = pack();
  const write = async (): Promise<void> => {
    for (const { name, path, size } of files)
      await pipeline(
        createReadStream(path),
        archive.entry({ name, size }) as unknown as NodeJS.WritableStream,
      );
    archive.finalize();
  };
  write().catch((error) => archive.destroy(error));
  return Readable.toWeb(Readable.from(archive as AsyncIterable<Uint8Array>)) as ReadableStream;
}
