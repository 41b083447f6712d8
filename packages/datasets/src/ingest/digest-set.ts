const WORDS = 4;

/**
 * A set of 16-byte digest prefixes in one flat table (open addressing, at most 3/4 full): 21 to 43 bytes an entry,
 * where a Set of strings takes over 100.
 */
export class DigestSet {
  #slots = 1024;
  #table = new Uint32Array(this.#slots * WORDS);
  size = 0;

  /** @param digest at least 16 uniformly distributed bytes. @returns whether it was new. */
  add(digest: Buffer): boolean {
    const words = [0, 4, 8, 12].map((offset) => digest.readUInt32LE(offset));
    if (!this.#insert(words, 0)) return false;
    this.size++;
    if (this.size * 4 > this.#slots * 3) this.#grow();
    return true;
  }

  #insert(words: ArrayLike<number>, from: number): boolean {
    const table = this.#table;
    for (let slot = words[from]! % this.#slots; ; slot = (slot + 1) % this.#slots) {
      const at = slot * WORDS;
      let empty = true;
      let equal = true;
      for (let i = 0; i < WORDS; i++) {
        if (table[at + i] !== 0) empty = false;
        if (table[at + i] !== words[from + i]) equal = false;
      }
      if (equal) return false;
      if (!empty) continue;
      for (let i = 0; i < WORDS; i++) table[at + i] = words[from + i]!;
      return true;
    }
  }

  #grow(): void {
    const old = this.#table;
    this.#slots *= 2;
    this.#table = new Uint32Array(this.#slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at] || old[at + 1] || old[at + 2] || old[at + 3]) this.#insert(old, at);
    }
  }
}
