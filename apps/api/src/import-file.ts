import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { type DatasetKind, TrainyardError } from '@trainyard/contracts';
import type { Compression } from '@trainyard/datasets';

const refuse = (message: string): never => {
  throw new TrainyardError('invalid_path', message, { param: 'path' });
};

const isInside = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
};

/**
 * The real path of a file under one of the allowed folders, links followed. Throws `invalid_path` for any other,
 * without telling whether a file outside of them exists.
 */
export async function allowedFile(path: string, roots: readonly string[]): Promise<string> {
  if (roots.length === 0) refuse('Importing is off: the operator has allowed no folder (IMPORT_ROOTS).');
  if (!isAbsolute(path)) refuse('path must be absolute.');
  const outside = `${path} is not under a folder that the operator has allowed for imports.`;
  const wanted = resolve(path);
  if (!roots.some((root) => isInside(resolve(root), wanted))) refuse(outside);
  const file = await realpath(wanted).catch(() => refuse(`There is no file ${path}.`));
  const real = await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))));
  if (!real.some((root) => isInside(root, file))) refuse(outside);
  if (!(await stat(file)).isFile()) refuse(`${path} is not a file.`);
  return file;
}

/** What a file's name says about its content. Throws `invalid_path` for an unknown ending. */
export function formatOfFile(
  file: string,
  kind: DatasetKind,
): { format: 'text' | 'jsonl'; compression: Compression } {
  const [, ending = '', packed] = /(?:\.([a-z]+))??(?:\.(gz|zst))?$/i.exec(file.toLowerCase()) ?? [];
  const compression = packed === 'gz' ? 'gzip' : packed === 'zst' ? 'zstd' : 'none';
  if (['jsonl', 'ndjson'].includes(ending)) return { format: 'jsonl', compression };
  if (['txt', 'text'].includes(ending) && kind === 'text') return { format: 'text', compression };
  const endings = kind === 'text' ? '.txt, .jsonl or .ndjson' : '.jsonl or .ndjson';
  return refuse(`A file of ${kind} records must end in ${endings}, with .gz or .zst after it if compressed.`);
}
