import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/contracts';
import { checkFileName, type Folder, type FolderFile } from '@trainyard/interchange';
import { attempt, sweepLeftovers } from '@trainyard/storage';
import { extract, type Header } from 'tar-stream';

const MAX_FILES = 2000;
const PREFIX = 'import-';

export interface SpooledFolder {
  folder: Folder;
  /** Of the names and contents of its files, in whatever order they came. */
  digest: string;
}

interface SpoolOptions {
  /** Where the temporary folder lies while `use` runs. */
  spoolDir: string;
  maxBytes: number;
}

/**
 * Unpacks a tar archive of one folder's files into a temporary folder, which is removed once `use` has ended.
 * @throws TrainyardError `invalid_data` naming an entry that is no plain file of one folder, comes twice or is not known;
 *   `payload_too_large`.
 */
export async function withSpooledTar<T>(
  source: AsyncIterable<Uint8Array>,
  { spoolDir, maxBytes }: SpoolOptions,
  use: (spooled: SpooledFolder) => Promise<T>,
): Promise<T> {
  await mkdir(spoolDir, { recursive: true });
  await sweepLeftovers(spoolDir, (name) => name.startsWith(PREFIX), new Date());
  const path = await mkdtemp(join(spoolDir, PREFIX));
  try {
    return await use(await unpack(source, path, maxBytes));
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function unpack(
  source: AsyncIterable<Uint8Array>,
  path: string,
  maxBytes: number,
): Promise<SpooledFolder> {
  const folder = new Map<string, FolderFile>();
  const digests: string[] = [];
  const names = new EntryNames();
  const entries = extract();
  const feeding = pipeline(
    Readable.from(limited(source, maxBytes)),
    entries as unknown as NodeJS.WritableStream,
  );
  feeding.catch(() => {}); // what went wrong is thrown by the loop below, too
  try {
    for await (const entry of entries) {
      const name = names.nameOf(entry.header);
      if (name === undefined) {
        entry.resume();
        continue;
      }
      if (folder.has(name)) refuse(name, 'comes twice in the archive');
      if (folder.size === MAX_FILES) refuse(name, `is one file more than the ${MAX_FILES} of a folder`);
      checkFileName(name);
      const file = join(path, String(folder.size));
      const { bytes, sha256 } = await spool(entry as AsyncIterable<Uint8Array>, file);
      digests.push(`${name} ${sha256}`);
      folder.set(name, { bytes, read: (start, end) => readRange(file, start, end) });
    }
    await feeding;
  } catch (error) {
    throw toArchiveError(error);
  }
  if (folder.size === 0) throw new TrainyardError('invalid_data', 'The archive holds no files.');
  const digest = createHash('sha256').update(digests.sort().join('\n')).digest('hex');
  return { folder, digest };
}

async function* limited(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new TrainyardError('payload_too_large', `The upload is larger than ${maxBytes} bytes.`);
    yield chunk;
  }
}

/** Tells plain names of files at the top of an archive, or of the one folder that everything in it lies in. */
class EntryNames {
  /** The folder, with its slash; empty where the files lie at the top; unknown before the first entry. */
  #root: string | undefined;

  /** Undefined for the folder itself. Throws `invalid_data` naming what is no plain file of that folder. */
  nameOf({ name: given, type }: Header): string | undefined {
    const path = given.replace(/^\.\//, '');
    if (type === 'directory' && (path === '' || path === '.')) return undefined;
    this.#root ??= /^\w[\w .-]*\//.exec(path)?.[0] ?? '';
    if (type === 'directory' && path.replace(/\/?$/, '/') === this.#root) return undefined;
    if (type === 'directory') refuse(path, 'is a folder; all files must lie in one');
    if (type !== 'file') refuse(path, `is a ${type}; only plain files are taken`);
    const name = path.startsWith(this.#root) ? path.slice(this.#root.length) : path;
    if (
      name.length + this.#root.length !== path.length ||
      !/^[\w.][\w. -]*$/.test(name) ||
      name.startsWith('..')
    )
      refuse(path, 'is no plain file of one folder');
    return name;
  }
}

function refuse(name: string, problem: string): never {
  const shown = name.slice(0, 200);
  throw new TrainyardError('invalid_data', `${shown} ${problem}.`, { param: shown });
}

/** tar-stream says in plain errors that an archive is broken; those of the request and of this module stay. */
function toArchiveError(error: unknown): unknown {
  if (error instanceof TrainyardError || (error as NodeJS.ErrnoException).code !== undefined) return error;
  const reason = (error as Error).message;
  return new TrainyardError('invalid_data', `The body is no whole tar archive: ${reason}.`, { cause: error });
}

async function spool(content: AsyncIterable<Uint8Array>, path: string) {
  const hash = createHash('sha256');
  const doing = 'spooling an upload';
  const handle = await attempt(doing, () => open(path, 'wx'));
  let bytes = 0;
  try {
    for await (const chunk of content) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      await attempt(doing, () => handle.writeFile(chunk));
    }
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  const handle = await open(path);
  try {
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesRead } = await handle.read(bytes, at, bytes.byteLength - at, start + at);
      if (bytesRead === 0) throw new Error(`the spooled file ends at byte ${start + at}`);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}
