import { type MergeTable, NO_MERGE } from './merge-table.ts';
import { detachedCopy, maxWordBytes } from './pre-tokens.ts';
import { FIRST_BYTE_ID } from './special-tokens.ts';
import type { TokenBuffer } from './token-buffer.ts';

const CACHED_WORDS = 65_536;
/** UTF-16 units; longer words are rare, and would make the cache's size depend on the text. */
const LONGEST_CACHED_WORD = 32;
const POOL_TOKENS = 2 ** 19;

const utf8 = new TextEncoder();

/** Encodes single words, remembering recent ones: most words of a text were seen before. */
export class WordEncoder {
  readonly #merges: MergeTable;
  readonly #bytes: Uint8Array;
  readonly #tokens: Int32Array;
  /** #merged[i] is the id that tokens i and i + 1 merge into, or NO_MERGE. */
  readonly #merged: Int32Array;
  /** Word -> offset in the pool, where its token count and then its tokens lie. */
  readonly #offsets = new Map<string, number>();
  readonly #pool = new Int32Array(POOL_TOKENS);
  #used = 0;

  constructor(merges: MergeTable, maxWordLength: number) {
    const longest = maxWordBytes(maxWordLength);
    this.#merges = merges;
    this.#bytes = new Uint8Array(longest);
    this.#tokens = new Int32Array(longest);
    this.#merged = new Int32Array(longest);
  }

  append(word: string, out: TokenBuffer): void {
    const offset = this.#offsets.get(word);
    if (offset !== undefined) {
      out.append(this.#pool, offset + 1, this.#pool[offset]!);
      return;
    }
    const count = this.#encode(word);
    out.append(this.#tokens, 0, count);
    if (word.length <= LONGEST_CACHED_WORD) this.#remember(word, count);
  }

  /** When full it forgets everything: the frequent words are back at once, and no word pays for bookkeeping. */
  #remember(word: string, count: number): void {
    if (this.#offsets.size === CACHED_WORDS || this.#used + count + 1 > POOL_TOKENS) {
      this.#offsets.clear();
      this.#used = 0;
    }
    this.#offsets.set(detachedCopy(word), this.#used);
    this.#pool[this.#used] = count;
    this.#pool.set(this.#tokens.subarray(0, count), this.#used + 1);
    this.#used += count + 1;
  }

  /** Leaves the word's tokens in #tokens and returns how many: the earliest-learnt merge first, leftmost first. */
  #encode(word: string): number {
    const tokens = this.#tokens;
    const merged = this.#merged;
    let count = utf8.encodeInto(word, this.#bytes).written;
    for (let i = 0; i < count; i++) tokens[i] = FIRST_BYTE_ID + this.#bytes[i]!;
    for (let i = 0; i + 1 < count; i++) merged[i] = this.#merges.mergedId(tokens[i]!, tokens[i + 1]!);
    for (;;) {
      let best = NO_MERGE;
      let at = -1;
      for (let i = 0; i + 1 < count; i++) {
        if (merged[i]! < best) {
          best = merged[i]!;
          at = i;
        }
      }
      if (at < 0) return count;
      tokens[at] = best;
      tokens.copyWithin(at + 1, at + 2, count);
      merged.copyWithin(at, at + 1, count);
      count--;
      if (at > 0) merged[at - 1] = this.#merges.mergedId(tokens[at - 1]!, best);
      if (at + 1 < count) merged[at] = this.#merges.mergedId(best, tokens[at + 1]!);
    }
  }
}
