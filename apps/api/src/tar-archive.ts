import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

export interface ArchivedFile {
  name: string;
  bytes: number;
  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * A tar archive (POSIX.1-1988 ustar) as a stream: the same files give the same bytes. Content is asked for when the
 * reader has room for it; an error of it breaks the stream off.
 */
export function tarArchive(files: Iterable<ArchivedFile>): Readable {
  const archive = pack();
  const write = async (): Promise<void> => {
    for (const { name, bytes, chunks } of files) {
      const entry = archive.entry({ name, size: bytes, mode: 0o644, mtime: new Date(0) });
      await pipeline(Readable.from(chunks()), entry as unknown as NodeJS.WritableStream);
    }
    archive.finalize();
  };
  write().catch((error) => archive.destroy(error));
  return Readable.from(archive as AsyncIterable<Uint8Array>, { objectMode: false });
}
