const ROUNDS = 6;
const SMALLEST_HALF = 4;
/** Halves are mixed in 32-bit arithmetic. */
const LARGEST_HALF = 24;

/**
 * Where `index` goes in a pseudo-random permutation of 0, ..., count - 1 that `key` chooses, in constant time and memory:
 * a Feistel network (Luby and Rackoff 1988) over the next power of four, walked until it lands below `count` (Black and
 * Rogaway 2002, cycle walking).
 * @param count at most 2^48
 */
export function permute(index: number, count: number, key: number): number {
  let half = SMALLEST_HALF;
  while (2 ** (2 * half) < count) half++;
  if (half > LARGEST_HALF) throw new RangeError(`Cannot permute ${count} items.`);
  const size = 2 ** half;
  let value = index;
  do {
    let left = Math.floor(value / size);
    let right = value % size;
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = (left ^ hash(key, round, right)) & (size - 1);
      left = right;
      right = mixed;
    }
    value = left * size + right;
  } while (value >= count);
  return value;
}

/** 32 well-mixed bits of some numbers: the finalizer of MurmurHash3 (Appleby), chained over their 32-bit halves. */
export function hash(...values: number[]): number {
  let h = 0x9e3779b9;
  for (const value of values) {
    h = mix(h ^ value);
    h = mix(h ^ Math.floor(value / 2 ** 32)) + 0x9e3779b9;
  }
  return h >>> 0;
}

function mix(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
