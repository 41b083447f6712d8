import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportedFile, Folder } from '@trainyard/interchange';
import { decodeSafetensors } from '@trainyard/storage';

export interface Row {
  /** Which model or tokenizer. */
  name: string;
  /** What was compared. */
  what: string;
  /** Largest difference of log-probabilities, or how many of something differ. */
  difference: number;
}

export const record = (work: string, row: Row): Promise<void> =>
  appendFile(join(work, 'rows.jsonl'), `${JSON.stringify(row)}\n`);

export async function writeFolder(path: string, files: readonly ExportedFile[]): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const file of files) await writeFile(join(path, file.name), Buffer.concat([...file.chunks()]));
}

export async function readFolder(path: string): Promise<Folder> {
  const entries = (await readdir(path)).map(async (name) => {
    const content = await readFile(join(path, name));
    const read = async (start: number, end: number) => new Uint8Array(content.subarray(start, end));
    return [name, { bytes: content.length, read }] as const;
  });
  return new Map(await Promise.all(entries));
}

export async function importedWeights(imported: { weights(): AsyncGenerator<Uint8Array> }) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of imported.weights()) chunks.push(chunk);
  const { tensors } = decodeSafetensors(Buffer.concat(chunks));
  return tensors as Record<string, { shape: readonly number[]; data: Float32Array }>;
}

export const readJson = async <T>(...path: string[]): Promise<T> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as T;

export const writeJson = (value: unknown, ...path: string[]): Promise<void> =>
  writeFile(join(...path), JSON.stringify(value));
