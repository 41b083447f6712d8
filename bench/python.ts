import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UsageError } from './options.ts';

export interface Python {
  program: string;
  /** Of the module that was looked for. */
  version: string;
}

/** What the environment says about where a Python may be. */
export interface PythonPlaces {
  /** BENCH_PYTHON */
  chosen?: string;
  /** The cache folder, in which `bench-venv` may be. */
  cache: string;
}

/**
 * The first Python that has `module`: the chosen one alone, else python3, else the one of `bench-venv`.
 * @throws UsageError when the chosen one does not start.
 */
export async function findPython(
  module: string,
  { chosen, cache }: PythonPlaces,
): Promise<Python | undefined> {
  if (chosen !== undefined && !(await succeeds(chosen, ['-c', ''])))
    throw new UsageError(
      `BENCH_PYTHON is "${chosen}", which does not start; name a Python program, or unset it.`,
    );
  for (const program of chosen !== undefined ? [chosen] : ['python3', `${cache}/bench-venv/bin/python3`]) {
    const version = await succeeds(program, ['-c', `import ${module}; print(${module}.__version__)`]);
    if (version) return { program, version: version.trim() };
  }
  return undefined;
}

async function succeeds(program: string, args: string[]): Promise<string | undefined> {
  try {
    return `${(await promisify(execFile)(program, args)).stdout}\n`;
  } catch {
    return undefined;
  }
}
