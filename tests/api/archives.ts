import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, pack } from 'tar-stream';

export type Files = Record<string, Uint8Array | object | undefined>;

/** A tar archive of files (bytes, or values as JSON; undefined leaves one out), then of whole entries. */
export async function tarOf(
  files: Files,
  ...entries: (Partial<Header> & { name: string })[]
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) continue;
    archive.entry(
      { name },
      content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content)),
    );
  }
  for (const entry of entries) archive.entry(entry as Header, '');
  archive.finalize();
  return buffer(archive as unknown as Readable);
}

export async function untar(archive: Uint8Array): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  const reading = extract();
  reading.on('entry', (header, stream, next) => {
    buffer(stream as unknown as Readable).then((content) => {
      files[header.name] = content;
      next();
    }, next);
  });
  await pipeline([Buffer.from(archive)], reading as unknown as NodeJS.WritableStream);
  return files;
}
