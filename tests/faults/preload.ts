import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** NODE_OPTIONS with which a program, and every process that it forks, loads a module of this folder's `preload` first. */
export const preload = (name: string): string =>
  `--import=${pathToFileURL(path.join(import.meta.dirname, 'preload', `${name}.mjs`)).href}`;
