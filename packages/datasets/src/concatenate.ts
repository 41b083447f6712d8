import type { TokenShard } from './token-shard.ts';

/** A run of tokens that is read piece by piece. */
export type Tokens = Pick<TokenShard, 'length' | 'read'>;

/** Several shards as one run of tokens, in their order. */
export function concatenate(shards: readonly Tokens[]): Tokens {
  const starts: number[] = [];
  let length = 0;
  for (const shard of shards) {
    starts.push(length);
    length += shard.length;
  }
  return {
    length,
    read: (offset, count) => {
      const tokens = new Int32Array(count);
      for (const [index, shard] of shards.entries()) {
        const from = Math.max(offset, starts[index]!);
        const to = Math.min(offset + count, starts[index]! + shard.length);
        if (from < to) tokens.set(shard.read(from - starts[index]!, to - from), from - offset);
      }
      return tokens;
    },
  };
}
