import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as path from 'node:path';

const KEPT_OUTPUT = 20_000;
const SIGNALS = ['SIGINT', 'SIGTERM'];

/**
 * Runs a command to its end or its limit (ms), with everything it started; never rejects. `giveUp(elapsedMs)` is
 * asked once a second. Gives { ok, output, lastLine }, stdout and stderr together.
 */
export function run(command, args, { cwd, env = {}, timeoutMs = 600_000, giveUp = () => false } = {}) {
  return new Promise((resolve) => {
    const detached = process.platform !== 'win32';
    const stdio = ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached, stdio });
    const started = Date.now();
    let output = '';
    const collect = (chunk) => {
      output = (output + chunk).slice(-KEPT_OUTPUT);
    };
    const stop = () => {
      try {
        process.kill(detached ? -child.pid : child.pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
    };
    const timer = setInterval(() => {
      const elapsedMs = Date.now() - started;
      if (elapsedMs < timeoutMs && !giveUp(elapsedMs)) return;
      collect(`\nno answer, stopped after ${Math.round(elapsedMs / 1000)} s`);
      stop();
    }, 1000);
    const interrupted = () => {
      stop();
      process.exit(130);
    };
    const finish = (ok) => {
      clearInterval(timer);
      for (const signal of SIGNALS) process.off(signal, interrupted);
      resolve({ ok, output, lastLine: output.trim().split('\n').at(-1) ?? '' });
    };
    for (const signal of SIGNALS) process.once(signal, interrupted);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => {
      collect(error.message);
      finish(false);
    });
    child.on('close', (code) => finish(code === 0));
  });
}

/** The first of these programs that exists (names on PATH, or absolute files). */
export function findProgram(names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const exists = (name) => folders.some((folder) => existsSync(path.join(folder, name)));
  return names.find((name) => (path.isAbsolute(name) ? existsSync(name) : exists(name)));
}

/** The line of a tool's output that says what went wrong. */
export function errorLine({ output, lastLine }) {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.find((line) => /^(\w*Error|ERROR): |\berror: /.test(line)) ?? lastLine;
}
