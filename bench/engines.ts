import type { Execution } from '@trainyard/tensor';

/** Ways of the engine to do the same work, by the name that `--engines` takes. */
export const ENGINES = ['compiled', 'eager'] as const satisfies readonly Execution[];

export type EngineName = (typeof ENGINES)[number];

/** Steps are compiled by libtensorflow alone. */
export const runsOn = (engine: EngineName, backend: string): boolean =>
  engine === 'eager' || backend.startsWith('tensorflow');
