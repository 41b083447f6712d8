import { spawn } from 'node:child_process';

/**
 * Runs a program to its end, in place of this one: what asks this process to end asks the program, which takes its time.
 * Ctrl-C reaches it by itself, as the terminal's.
 * @returns {Promise<number>} its exit status; rejects if it cannot be started
 */
export function follow(program, args, options = {}) {
  const child = spawn(program, args, { stdio: 'inherit', ...options });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
