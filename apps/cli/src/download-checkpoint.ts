import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { type CheckpointFile, type Client, TrainyardError } from '@trainyard/contracts';

/**
 * Writes a checkpoint's files into a folder, each under its name once it is whole and its hash is right.
 * Throws `not_found` for a file that it does not have, `integrity` for other bytes than the manifest's.
 */
export async function downloadCheckpoint(
  client: Client,
  reference: string,
  { output, file }: { output?: string; file?: string },
): Promise<{ checkpoint: string; files: string[] }> {
  const { id } = await client.checkpoints.get(reference);
  const { data } = await client.checkpoints.files(id);
  const wanted = data.filter(({ name }) => file === undefined || name === file);
  if (wanted.length === 0) {
    const names = data.map(({ name }) => name).join(', ');
    throw new TrainyardError('not_found', `There is no file ${file}; it has ${names}.`, { param: '--file' });
  }
  const folder = output ?? id;
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const entry of wanted) files.push(await downloadFile(client, id, entry, folder));
  return { checkpoint: id, files };
}

async function downloadFile(
  client: Client,
  id: string,
  { name, sha256 }: CheckpointFile,
  folder: string,
): Promise<string> {
  if (basename(name) !== name)
    throw new TrainyardError('integrity', `The server names a file ${name}, outside of the folder.`);
  const target = join(folder, name);
  const part = `${target}.part`;
  const hash = createHash('sha256');
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const { body } = await client.checkpoints.download(id, name);
    await pipeline(Readable.fromWeb(body as ReadableStream), measure, createWriteStream(part));
    const got = hash.digest('hex');
    if (got !== sha256)
      throw new TrainyardError('integrity', `${name} came with SHA-256 ${got}, not ${sha256}; try again.`);
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
  }
  return target;
}
