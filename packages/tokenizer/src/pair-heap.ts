/** Two neighbouring tokens, and where they occur. */
export interface Pair {
  readonly left: number;
  readonly right: number;
  /** Occurrences, weighted by how often their words occur. */
  count: number;
  /** The count by which the heap has ordered this pair; `count` may have fallen since. */
  rank: number;
  /** Indices of the words that held the pair when it was recorded; some may have lost it since. */
  readonly words: number[];
}

/** Binary max-heap by rank; among equals the lowest left id, then the lowest right id. */
export class PairHeap {
  readonly #pairs: Pair[] = [];

  push(pair: Pair): void {
    const pairs = this.#pairs;
    pair.rank = pair.count;
    let at = pairs.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!precedes(pair, pairs[parent]!)) break;
      pairs[at] = pairs[parent]!;
      at = parent;
    }
    pairs[at] = pair;
  }

  /** The pair with the highest current count, or undefined once none occurs any more. */
  pop(): Pair | undefined {
    for (;;) {
      const top = this.#removeTop();
      if (top === undefined || (top.count > 0 && top.count === top.rank)) return top;
      if (top.count > 0) this.push(top);
    }
  }

  #removeTop(): Pair | undefined {
    const pairs = this.#pairs;
    const top = pairs[0];
    const last = pairs.pop();
    if (last === undefined || pairs.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= pairs.length) break;
      if (child + 1 < pairs.length && precedes(pairs[child + 1]!, pairs[child]!)) child++;
      if (!precedes(pairs[child]!, last)) break;
      pairs[at] = pairs[child]!;
      at = child;
    }
    pairs[at] = last;
    return top;
  }
}

function precedes(a: Pair, b: Pair): boolean {
  if (a.rank !== b.rank) return a.rank > b.rank;
  return a.left !== b.left ? a.left < b.left : a.right < b.right;
}
