import { type Pair, PairHeap } from './pair-heap.ts';
import { FIRST_BYTE_ID, FIRST_MERGE_ID, MAX_VOCAB_SIZE } from './special-tokens.ts';

/**
 * Learns merges from counted words: each `next()` merges the most frequent pair everywhere. Only words that hold the
 * pair are visited. A pair's count rises only while its newer token is being made, so the heap holds every pair once
 * and lets its rank go stale until it is popped. No two merges make the same bytes: merges inside a stretch of text
 * that no token crosses depend on that stretch alone, so the same bytes always end as the same pair.
 */
export class MergeLearner {
  /** Tokens of all words end to end; word w occupies [starts[w], starts[w] + lengths[w]). */
  readonly #tokens: Int32Array;
  readonly #starts: Float64Array;
  readonly #lengths: Int32Array;
  readonly #counts: Float64Array;
  readonly #pairs = new Map<number, Pair>();
  readonly #heap = new PairHeap();
  #nextId = FIRST_MERGE_ID;

  constructor(wordCounts: ReadonlyMap<string, number>) {
    let bytes = 0;
    for (const word of wordCounts.keys()) bytes += Buffer.byteLength(word);
    this.#tokens = new Int32Array(bytes);
    this.#starts = new Float64Array(wordCounts.size);
    this.#lengths = new Int32Array(wordCounts.size);
    this.#counts = new Float64Array(wordCounts.size);
    let start = 0;
    let word = 0;
    for (const [text, count] of wordCounts) {
      const length = this.#addWord(word, start, Buffer.from(text), count);
      start += length;
      word++;
    }
    for (const pair of this.#pairs.values()) this.#heap.push(pair);
  }

  /** The pair that the next token merges, or undefined when all words are single tokens. */
  next(): readonly [left: number, right: number] | undefined {
    const pair = this.#heap.pop();
    if (pair === undefined) return undefined;
    this.#merge(pair, this.#nextId++);
    return [pair.left, pair.right];
  }

  #addWord(word: number, start: number, bytes: Uint8Array, count: number): number {
    this.#starts[word] = start;
    this.#lengths[word] = bytes.length;
    this.#counts[word] = count;
    for (let i = 0; i < bytes.length; i++) {
      const id = FIRST_BYTE_ID + bytes[i]!;
      this.#tokens[start + i] = id;
      if (i > 0) this.#add(this.#tokens[start + i - 1]!, id, word, count);
    }
    return bytes.length;
  }

  #merge(pair: Pair, merged: number): void {
    this.#pairs.delete(key(pair.left, pair.right));
    const created = new Set<Pair>();
    for (const word of pair.words) this.#mergeInWord(word, pair, merged, created);
    for (const fresh of created) {
      if (fresh.count > 0) this.#heap.push(fresh);
      else this.#pairs.delete(key(fresh.left, fresh.right));
    }
  }

  #mergeInWord(word: number, { left, right }: Pair, merged: number, created: Set<Pair>): void {
    const tokens = this.#tokens;
    const count = this.#counts[word]!;
    const start = this.#starts[word]!;
    const end = start + this.#lengths[word]!;
    let write = start;
    for (let read = start; read < end; read++) {
      if (tokens[read] !== left || read + 1 === end || tokens[read + 1] !== right) {
        tokens[write++] = tokens[read]!;
        continue;
      }
      if (write > start) {
        this.#remove(tokens[write - 1]!, left, count);
        created.add(this.#add(tokens[write - 1]!, merged, word, count));
      }
      if (read + 2 < end) {
        this.#remove(right, tokens[read + 2]!, count);
        created.add(this.#add(merged, tokens[read + 2]!, word, count));
      }
      tokens[write++] = merged;
      read++;
    }
    this.#lengths[word] = write - start;
  }

  #add(left: number, right: number, word: number, count: number): Pair {
    let pair = this.#pairs.get(key(left, right));
    if (pair === undefined) {
      pair = { left, right, count: 0, rank: 0, words: [] };
      this.#pairs.set(key(left, right), pair);
    }
    pair.count += count;
    if (pair.words.at(-1) !== word) pair.words.push(word);
    return pair;
  }

  #remove(left: number, right: number, count: number): void {
    const pair = this.#pairs.get(key(left, right));
    if (pair === undefined) return;
    pair.count -= count;
  }
}

function key(left: number, right: number): number {
  return left * MAX_VOCAB_SIZE + right;
}
