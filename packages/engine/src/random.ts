/** FNV-1a over the UTF-8 bytes of `text`, from basis `basis`. */
function hash(text: string, basis: number): number {
  let state = basis >>> 0;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/**
 * A generator of numbers in [0, 1), a pure function of `seed` and `stream`: what was drawn at step 7 is drawn again
 * by naming step 7, so no generator state has to be saved. (sfc32 of PractRand, keyed by four hashes.)
 */
export function random(seed: number, ...stream: (number | string)[]): () => number {
  const key = JSON.stringify([seed, ...stream]);
  let a = hash(key, 0x811c9dc5);
  let b = hash(key, 0x9e3779b9);
  let c = hash(key, 0x243f6a88);
  let counter = hash(key, 0xb7e15162);
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** A standard normal draw (Box-Muller); takes two uniform draws. */
export function normal(uniform: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
  return radius * Math.cos(2 * Math.PI * uniform());
}

/** Shuffles in place (Fisher-Yates) and returns the same array. */
export function shuffle<T extends { [index: number]: unknown; length: number }>(
  items: T,
  uniform: () => number,
): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

/** The numbers 0..length-1 in random order. */
export function permutation(length: number, uniform: () => number): Int32Array {
  return shuffle(
    Int32Array.from({ length }, (_, i) => i),
    uniform,
  );
}
