/**
 * Ways of the engine to do the same work, by the name that `--engines` takes: the options that choose it, which go into
 * every call of `pretrain`, `bitsPerByte` and `generate`.
 */
export const ENGINES = {
  eager: {},
} satisfies Record<string, object>;

export type EngineName = keyof typeof ENGINES;
