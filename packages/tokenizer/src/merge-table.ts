import { FIRST_MERGE_ID } from './special-tokens.ts';

/** What `mergedId` answers for a pair that has no merge: greater than every id. */
export const NO_MERGE = 0x7fffffff;

/** Open-addressing hash table from a pair of token ids to the id of their merge. */
export class MergeTable {
  readonly #mask: number;
  /** [slots, 3]: left, right, merged id; merged id 0 marks an empty slot. */
  readonly #slots: Int32Array;

  /** @param pairs [merges, 2] flattened; merge i makes the token FIRST_MERGE_ID + i. */
  constructor(pairs: Int32Array) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, pairs.length)));
    this.#mask = size - 1;
    this.#slots = new Int32Array(3 * size);
    for (let i = 0; i < pairs.length; i += 2) {
      const at = this.#find(pairs[i]!, pairs[i + 1]!);
      this.#slots[at] = pairs[i]!;
      this.#slots[at + 1] = pairs[i + 1]!;
      this.#slots[at + 2] = FIRST_MERGE_ID + i / 2;
    }
  }

  mergedId(left: number, right: number): number {
    return this.#slots[this.#find(left, right) + 2]! || NO_MERGE;
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
