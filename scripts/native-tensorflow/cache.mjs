import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const ABANDONED_MS = 6 * 3_600_000;
const SOURCES = ['package.json', 'binding.gyp', 'binding', 'scripts'];

/** $TRAINYARD_CACHE, else $XDG_CACHE_HOME/trainyard, else ~/.cache/trainyard; `native` in it. */
export function cacheRoot() {
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return path.join(process.env.TRAINYARD_CACHE || path.join(base, 'trainyard'), 'native');
}

/** Replaces `deps` and `lib` of the package by links to a cache entry. */
export function linkEntry(packageDir, entry) {
  for (const name of ['deps', 'lib']) {
    const target = path.join(packageDir, name);
    const fresh = path.join(packageDir, `.${name}-${process.pid}`);
    fs.symlinkSync(path.join(entry, name), fresh, process.platform === 'win32' ? 'junction' : 'dir');
    const isFolder = fs.lstatSync(target, { throwIfNoEntry: false })?.isDirectory();
    if (isFolder) fs.rmSync(target, { recursive: true });
    fs.renameSync(fresh, target);
  }
}

/**
 * Lets `build(dir)` work on a copy of the package's sources in a folder of its own, then renames the result into
 * place: an entry is whole or absent, and where another process was faster its entry stays.
 * `build` returns why it could not, or undefined; so does this.
 */
export async function makeEntry(packageDir, entry, build) {
  const builds = path.join(cacheRoot(), 'builds');
  fs.mkdirSync(builds, { recursive: true });
  removeAbandoned(builds);
  const dir = fs.mkdtempSync(path.join(builds, `${process.pid}-`));
  try {
    for (const name of SOURCES)
      fs.cpSync(path.join(packageDir, name), path.join(dir, name), { recursive: true });
    const reason = await build(dir);
    if (!reason) publish(dir, entry);
    return reason;
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

function publish(dir, entry) {
  for (const name of fs.readdirSync(dir))
    if (name !== 'deps' && name !== 'lib') fs.rmSync(path.join(dir, name), { recursive: true });
  fs.rmSync(path.join(dir, 'deps', 'include'), { recursive: true, force: true });
  fs.chmodSync(dir, 0o755);
  try {
    fs.renameSync(dir, entry);
  } catch (error) {
    if (!fs.existsSync(entry)) throw error;
  }
}

function removeAbandoned(builds) {
  for (const name of fs.readdirSync(builds)) {
    const modifiedMs = fs.statSync(path.join(builds, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (modifiedMs < Date.now() - ABANDONED_MS)
      fs.rmSync(path.join(builds, name), { recursive: true, force: true });
  }
}
