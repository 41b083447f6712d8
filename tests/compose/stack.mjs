import { spawnSync } from 'node:child_process';

/** Runs docker to its end; with `show` its output goes to this process's own. Throws with what it printed. */
function docker(args, { show = false, timeoutMs = 120_000 } = {}) {
  const result = spawnSync('docker', args, {
    encoding: 'utf8',
    timeout: timeoutMs,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    maxBuffer: 64 * 2 ** 20,
  });
  if (result.error) throw new Error(`docker ${args.join(' ')}: ${result.error.message}`);
  if (result.status !== 0)
    throw new Error(
      `docker ${args.join(' ')} ended with ${result.status}\n${result.stdout ?? ''}${result.stderr ?? ''}`,
    );
  return (result.stdout ?? '').trim();
}

export const compose = (args, options) => docker(['compose', ...args], options);

/** What Docker knows of each container of a service, or of all; ended ones too. */
export function containersOf(...services) {
  const ids = compose(['ps', '--all', '--quiet', ...services]);
  return ids === '' ? [] : JSON.parse(docker(['inspect', ...ids.split('\n')]));
}

export const inspect = (id) => JSON.parse(docker(['inspect', id]))[0];

/** The output of a shell line inside a container. */
export const inContainer = (id, line) => docker(['exec', id, 'sh', '-c', line]);

/** SIGKILL to a program inside a container, as the kernel's out-of-memory killer would: Docker was not asked to. */
export function killInside(id, commandLine) {
  const pid = inContainer(
    id,
    `for process in /proc/[0-9]*; do
       [ "$(tr '\\0' ' ' < $process/cmdline)" = '${commandLine} ' ] && echo "\${process#/proc/}"
     done; true`,
  );
  if (!/^\d+$/.test(pid)) throw new Error(`"${commandLine}" runs in ${id} as: ${pid || 'no process'}`);
  inContainer(id, `kill -9 ${pid}`);
}
