import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export const ROOT = path.resolve(import.meta.dirname, '..');
const LOG_LINES = 5000;
const POLL = 100; // ms
const PATIENCE = 180_000; // ms; a bound for what hangs, not a measure

/** The API or a worker in a process of its own, as in production. */
export interface ProgramProcess {
  child: ChildProcess;
  /** The last lines that it logged. */
  log: string[];
  exited: Promise<unknown>;
  kill(signal: NodeJS.Signals): void;
}

/** Runs Node with `args`; of this process' environment it sees what finds programs and folders. */
export function spawnProgram(args: string[], environment: Record<string, string>): ProgramProcess {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log: string[] = [];
  for (const stream of [child.stdout!, child.stderr!])
    createInterface({ input: stream }).on('line', (line) => {
      log.push(line);
      log.splice(0, log.length - LOG_LINES);
    });
  return { child, log, exited: once(child, 'exit'), kill: (signal) => void child.kill(signal) };
}

/** The trainer processes of a worker that are alive, oldest first: the one at work and the one that waits. */
export async function trainersOf({ child }: ProgramProcess): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  return rows
    .filter(
      ([, parent, ...args]) => parent === String(child.pid) && /trainer(\/main|\.js)/.test(args.join(' ')),
    )
    .map(([pid]) => Number(pid))
    .sort((a, b) => a - b);
}

export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Waits until a condition holds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patience = PATIENCE,
): Promise<void> {
  for (const deadline = performance.now() + patience; !(await holds()); await sleep(POLL))
    if (performance.now() > deadline) throw new Error(`${what} did not come about.`);
}
