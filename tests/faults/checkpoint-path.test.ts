import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, ROOT } from '../spawn-program.ts';
import { preload } from './preload.ts';
import { loadWhole } from './random-corruptions.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine

let folder: string;
let program: string;
let store: BlobStore;
let steps = 0;

beforeAll(async () => {
  const caches = path.join(ROOT, 'node_modules/.cache'); // below node_modules, where packages are found
  await mkdir(caches, { recursive: true });
  folder = await mkdtemp(path.join(caches, 'checkpoint-path-'));
  const source = path.join(import.meta.dirname, 'programs/write-checkpoints.ts');
  const bundle = path.join(ROOT, 'scripts/bundle.mjs');
  await promisify(execFile)(process.execPath, [bundle, `program=${source}`], { cwd: folder });
  program = path.join(folder, 'dist/program.js');
  store = await openBlobStore(await mkdtemp(path.join(tmpdir(), 'trainyard-checkpoint-path-')));
});
afterAll(async () => {
  await store.close();
  await rm(store.location, { recursive: true });
  await rm(folder, { recursive: true });
});

interface Outcome {
  wrote: string[];
  failed: string[];
  /** Undefined: it died. */
  calls: Record<string, number> | undefined;
  signal: NodeJS.Signals | null;
}

/** The program that writes checkpoints; a new process where the last one died. */
class Writer {
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;
  #lines: AsyncIterator<string> | undefined;
  #exited: Promise<unknown> | undefined;

  constructor(environment: Record<string, string> = {}) {
    this.#environment = environment;
  }

  /** A process that waits for a line. */
  async waiting(): Promise<ChildProcess> {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) return this.#child;
    this.#child = spawn(process.execPath, [program, store.location], {
      env: { PATH: process.env.PATH, UV_THREADPOOL_SIZE: '1', ...this.#environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdin!.on('error', () => {});
    this.#exited = once(this.#child, 'exit');
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    await this.#lines.next(); // ready
    return this.#child;
  }

  async write(injection: object = {}): Promise<Outcome> {
    const child = await this.waiting();
    const outcome: Outcome = { wrote: [], failed: [], calls: undefined, signal: null };
    steps += 10;
    child.stdin!.write(JSON.stringify({ step: steps, ...injection }));
    for (let line = await this.#lines!.next(); !line.done; line = await this.#lines!.next()) {
      const [, word, what] = /^(\w+) (.*)$/.exec(line.value)!;
      if (word === 'wrote') outcome.wrote.push(JSON.parse(what!));
      if (word === 'failed') outcome.failed.push(JSON.parse(what!));
      if (word === 'done') return { ...outcome, calls: JSON.parse(what!) };
    }
    await this.#exited;
    return { ...outcome, signal: child.signalCode };
  }

  async end(): Promise<void> {
    const { pid } = (await this.waiting())!;
    process.kill(pid!, 'SIGKILL');
    await this.#exited;
  }
}

interface Case {
  call: string;
  fate: string;
  number: number;
}
const casesOf = (counts: Record<string, number>, fatesOf: (call: string) => string[]): Case[] =>
  Object.entries(counts).flatMap(([call, count]) =>
    fatesOf(call).flatMap((fate) => Array.from({ length: count }, (_, i) => ({ call, fate, number: i + 1 }))),
  );

/** Whatever happened, what was told to be complete loads, and an error is survived at the next attempt. */
async function check({ call, fate, number }: Case, { wrote, failed, calls, signal }: Outcome): Promise<void> {
  const what = `${fate} at ${call} ${number}`;
  for (const manifest of wrote) await loadWhole(store, manifest);
  if (fate === 'SIGKILL') return expect(signal, what).toBe(fate);
  if (signal === 'SIGABRT') return; // libuv's own answer to what must not fail: a death as any other
  expect(calls, what).toBeDefined();
  expect(wrote, what).toHaveLength(3);
  expect(failed.length, what).toBeLessThanOrEqual(1);
  for (const error of failed) expect(error, what).toBe(fate === 'ENOSPC' ? 'storage_full' : 'unavailable');
}

test(
  'every file call of the checkpoint path x {SIGKILL, EIO, ENOSPC, short write}',
  async () => {
    const writer = new Writer({ NODE_OPTIONS: preload('fail-file-call') });
    await writer.write(); // opens the store, which is not of the path
    const { calls } = await writer.write();
    const names = ['mkdir', 'open', 'rename', 'rm', 'sync', 'utimes', 'writev'];
    expect(Object.keys(calls!).sort()).toEqual(names);
    let [deaths, errors] = [0, 0];
    const cases = casesOf(calls!, (call) => [
      'EIO',
      'ENOSPC',
      'SIGKILL',
      ...(call === 'writev' ? ['short'] : []),
    ]);
    for (const one of cases) {
      const outcome = await writer.write(one);
      await check(one, outcome);
      deaths += outcome.calls ? 0 : 1;
      errors += outcome.failed.length;
    }
    await writer.end();
    expect(deaths).toBe(cases.filter(({ fate }) => fate === 'SIGKILL').length);
    expect(errors).toBeGreaterThan(20);
  },
  MINUTES,
);

const hasStrace = spawnSync('strace', ['--version']).status === 0;
// Not write(2): content goes by writev, and what libuv writes is a word to its own loop.
const SYSCALLS = 'openat,read,writev,pwrite64,fsync,fdatasync,rename,mkdir,utimensat,unlink,close,statx';

/** The one thread in which libuv calls the file system: it reads from descriptor 0. */
async function fileThread(pid: number): Promise<string | undefined> {
  const tasks = `/proc/${pid}/task`;
  for (const task of await readdir(tasks))
    if (/^\d+ 0x0 /.test(await readFile(path.join(tasks, task, 'syscall'), 'utf8'))) return task;
  return undefined;
}

/** Writes with strace on that thread. */
async function writeTraced(writer: Writer, output: string, ...options: string[]): Promise<Outcome> {
  const { pid } = await writer.waiting();
  let thread: string | undefined;
  await eventually('a thread that waits', async () => {
    thread = await fileThread(pid!);
    return thread !== undefined;
  });
  const tracer = spawn('strace', ['-p', thread!, '-o', output, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(tracer, 'exit');
  while (!said.includes('attached')) {
    if (tracer.exitCode !== null) throw new Error(`strace ended: ${said}`);
    await Promise.race([once(tracer.stderr, 'data'), ended]);
  }
  const outcome = await writer.write();
  tracer.kill('SIGINT');
  await ended;
  return outcome;
}

// The same below Node, at the system calls themselves, where strace is to be had; the test above is for everywhere.
test.runIf(hasStrace)(
  'every system call of the checkpoint path x {SIGKILL, EIO, ENOSPC}, injected by strace',
  async () => {
    const output = path.join(folder, 'trace');
    const writer = new Writer();
    await writer.write();
    await writeTraced(writer, output, '-e', `trace=${SYSCALLS}`);
    const counts: Record<string, number> = {};
    for (const [, call] of (await readFile(output, 'utf8')).matchAll(/^(\w+)\(/gm))
      counts[call!] = (counts[call!] ?? 0) + 1;
    expect(Object.keys(counts)).toEqual(
      expect.arrayContaining(['openat', 'writev', 'fsync', 'rename', 'mkdir', 'read', 'close']),
    );
    counts.read! -= 2; // of the lines
    let [deaths, errors] = [0, 0];
    const changes = ['openat', 'writev', 'fsync', 'rename', 'mkdir', 'utimensat', 'unlink'];
    const fatesOf = (call: string) => ['EIO', ...(changes.includes(call) ? ['ENOSPC', 'SIGKILL'] : [])];
    for (const one of casesOf(counts, fatesOf)) {
      const how = one.fate === 'SIGKILL' ? 'signal=SIGKILL' : `error=${one.fate}`;
      const number = one.call === 'read' ? one.number + 1 : one.number;
      const inject = `inject=${one.call}:${how}:when=${number}`;
      const outcome = await writeTraced(writer, '/dev/null', '-e', `trace=${one.call}`, '-e', inject);
      await check(one, outcome);
      deaths += outcome.calls ? 0 : 1;
      errors += outcome.failed.length;
    }
    await writer.end();
    expect(deaths).toBeGreaterThan(10);
    expect(errors).toBeGreaterThan(10);
  },
  MINUTES,
);
