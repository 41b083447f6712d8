import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ours } from './commands.ts';
import type { Backend, Options } from './options.ts';
import type { Outcome, Surroundings } from './outcome.ts';
import type { Sgemm } from './sgemm.ts';

/** The matrix product of each backend that is asked for, and of the native one, the limit of the machine's cores. */
export async function measureLimits(
  options: Options,
  around: Surroundings,
  { sgemm, leftOut }: Outcome,
): Promise<void> {
  for (const backend of new Set<Backend>(['tensorflow', ...options.backends])) {
    around.log(`sgemm on ${backend} ...`);
    try {
      sgemm[backend] = await measureSgemm(backend, options, around);
    } catch (error) {
      const what = options.backends.includes(backend) ? `all on ${backend}` : 'the limit that shares are of';
      leftOut.push({ what, reason: lastWords(error) });
    }
  }
}

/** Measures the limits again, and keeps the better: one that other programs disturbed is no limit. */
export async function raiseLimits(options: Options, around: Surroundings, { sgemm }: Outcome): Promise<void> {
  for (const backend of ['tensorflow', 'tensorflow-gpu'] as const) {
    const before = sgemm[backend];
    if (!before) continue;
    const after = await measureSgemm(backend, options, around);
    if (after.best > before.best) sgemm[backend] = after;
  }
}

async function measureSgemm(backend: Backend, { quick }: Options, { threads }: Surroundings): Promise<Sgemm> {
  const { program, args } = ours('sgemm.ts', { backend, threads, quick });
  const { stdout } = await promisify(execFile)(program, args);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** Of a process that failed: its error's message where it is one of ours. */
function lastWords(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string };
  return /TrainyardError: (.*)/.exec(stderr ?? '')?.[1] ?? message;
}
