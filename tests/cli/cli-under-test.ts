import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCE = ['--conditions=source', '--import', 'tsx', 'apps/cli/src/main.ts'];
export const ADMIN_KEY = 'ty_key_of_the_command_line_tests';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export type Environment = Record<string, string>;
export type Cli = (args: string[], env?: Environment, input?: string) => Promise<Finished>;

/** A program as a process: no terminal, and nothing from the environment of the tests but the path. */
function start(args: string[], env: Environment): ChildProcess {
  const { PATH, HOME, TMPDIR } = process.env;
  const own = { PATH, HOME, TMPDIR, ...env };
  return spawn(process.execPath, args, { cwd: ROOT, env: own, stdio: 'pipe' });
}

/** The command line from its sources, which is what `npm start` and `npm run demo` run. */
export const startCli = (args: string[], env: Environment = {}): ChildProcess =>
  start([...SOURCE, ...args], env);

/** The command line bundled into a folder, where it starts several times faster. */
export async function bundleCli(folder: string): Promise<Cli> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const build = [join(ROOT, 'scripts/bundle.mjs'), `main=${join(ROOT, 'apps/cli/src/main.ts')}`];
  await promisify(execFile)(process.execPath, build, { cwd: folder });
  const program = join(folder, 'dist/main.js');
  return (args, env = {}, input = '') => finish(start([program, ...args], env), input);
}

export async function finish(child: ChildProcess, input = ''): Promise<Finished> {
  child.stdin!.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit'),
  ]);
  return { code, stdout, stderr };
}

/** An empty folder that Postgres' own user may enter too. */
export async function makeFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-cli-test-'));
  await chmod(folder, 0o755);
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

export interface Up {
  process: ChildProcess;
  url: string;
  adminKey: string | null;
  logs: string;
}

/** `trainyard up` on a folder, once its API answers. */
export async function startUp(dataDir: string, env: Environment = {}): Promise<Up> {
  const child = startCli(['up', '--json', '--data', dataDir, '--port', '0'], env);
  const complaints = text(child.stderr!);
  for await (const line of createInterface({ input: child.stdout! })) {
    const { url, admin_key, logs } = JSON.parse(line);
    return { process: child, url, adminKey: admin_key, logs };
  }
  throw new Error(`up ended before it was ready:\n${await complaints}`);
}

/** @returns the exit status */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  child.kill(signal);
  const [code] = await once(child, 'exit');
  return code as number | null;
}

/** Looks again and again until there is something; `what` is named if there is nothing within `seconds`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  seconds: number,
  pauseMs = 100,
): Promise<T> {
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(pauseMs)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`no ${what} within ${seconds} s`);
}

export const readJson = async <T>(file: string): Promise<T> => JSON.parse(await readFile(file, 'utf8')) as T;

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
