import path from 'node:path';
import type { Command } from './contestant.ts';
import type { Python } from './python.ts';
import type { SgemmSpec } from './sgemm.ts';
import type { Spec } from './spec.ts';

const script = (name: string): string => path.join(import.meta.dirname, name);

/** A measuring process of ours, from its source, set as the worker sets its trainers and the API its inference process. */
export function ours(file: string, spec: Spec | SgemmSpec): Command {
  const args = ['--conditions=source', '--import', 'tsx', script(file), JSON.stringify(spec)];
  const decodes = 'workload' in spec && spec.workload === 'generate';
  return {
    program: process.execPath,
    args,
    env: { MALLOC_ARENA_MAX: '2', TF_ENABLE_ONEDNN_OPTS: decodes ? '0' : '1' },
  };
}

/** The peer's; it leaves no compiled files beside its source. */
export function peers(
  { program }: Python,
  spec: Spec,
  variant: string,
  env: Record<string, string> = {},
): Command {
  const args = [script('peer/peer.py'), JSON.stringify(spec), variant];
  return { program, args, env: { PYTHONDONTWRITEBYTECODE: '1', ...env } };
}
