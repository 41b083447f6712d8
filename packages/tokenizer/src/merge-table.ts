/** What `rank` answers for a pair that has no merge: greater than every rank. */
export const NO_MERGE = 0x7fffffff;

/** Open-addressing hash table from a pair of token ids to the rank of their merge: the earlier learnt, the lower. */
export class MergeTable {
  readonly #mask: number;
  /** [slots, 3]: left, right, rank + 1; 0 there marks an empty slot. */
  readonly #slots: Int32Array;
  readonly #merges: Int32Array;

  /** @param merges [merges, 3] flattened: left, right and the token that they merge into, in the order learnt. */
  constructor(merges: Int32Array) {
    const count = merges.length / 3;
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * count)));
    this.#merges = merges;
    this.#mask = size - 1;
    this.#slots = new Int32Array(3 * size);
    for (let rank = 0; rank < count; rank++) {
      const [left, right] = [merges[3 * rank]!, merges[3 * rank + 1]!];
      const at = this.#find(left, right);
      this.#slots[at] = left;
      this.#slots[at + 1] = right;
      this.#slots[at + 2] = rank + 1;
    }
  }

  rank(left: number, right: number): number {
    const stored = this.#slots[this.#find(left, right) + 2]!;
    return stored === 0 ? NO_MERGE : stored - 1;
  }

  /** The token that the merge of this rank makes. */
  merged(rank: number): number {
    return this.#merges[3 * rank + 2]!;
  }

  /** Offset of the pair's slot, or of the empty slot where it belongs. */
  #find(left: number, right: number): number {
    const slots = this.#slots;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    let slot = (hash ^ (hash >>> 15)) & this.#mask;
    for (;;) {
      const at = 3 * slot;
      if (slots[at + 2] === 0 || (slots[at] === left && slots[at + 1] === right)) return at;
      slot = (slot + 1) & this.#mask;
    }
  }
}
