import { type MergeTable, NO_MERGE } from './merge-table.ts';
import { detachedCopy } from './pre-tokens.ts';
import type { TokenBuffer } from './token-buffer.ts';

const CACHED_WORDS = 65_536;
/** UTF-16 units; longer words are rare, and would make the cache's size depend on the text. */
const LONGEST_CACHED_WORD = 32;
const POOL_TOKENS = 2 ** 19;

const utf8 = new TextEncoder();

/** Encodes single words, remembering recent ones: most words of a text were seen before. */
export class WordEncoder {
  readonly #merges: MergeTable;
  readonly #byteIds: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #tokens: Int32Array;
  /** #ranks[i] is the rank of the merge of tokens i and i + 1, or NO_MERGE. */
  readonly #ranks: Int32Array;
  /** Word -> offset in the pool, where its token count and then its tokens lie. */
  readonly #offsets = new Map<string, number>();
  readonly #pool = new Int32Array(POOL_TOKENS);
  #used = 0;

  /** @param byteIds [256], the token of each byte; `maxWordBytes`: the longest word's UTF-8 length. */
  constructor(merges: MergeTable, byteIds: Int32Array, maxWordBytes: number) {
    this.#merges = merges;
    this.#byteIds = byteIds;
    this.#bytes = new Uint8Array(maxWordBytes);
    this.#tokens = new Int32Array(maxWordBytes);
    this.#ranks = new Int32Array(maxWordBytes);
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
    const ranks = this.#ranks;
    const merges = this.#merges;
    let count = utf8.encodeInto(word, this.#bytes).written;
    for (let i = 0; i < count; i++) tokens[i] = this.#byteIds[this.#bytes[i]!]!;
    for (let i = 0; i + 1 < count; i++) ranks[i] = merges.rank(tokens[i]!, tokens[i + 1]!);
    for (;;) {
      let best = NO_MERGE;
      let at = -1;
      for (let i = 0; i + 1 < count; i++) {
        if (ranks[i]! < best) {
          best = ranks[i]!;
          at = i;
        }
      }
      if (at < 0) return count;
      const token = merges.merged(best);
      tokens[at] = token;
      tokens.copyWithin(at + 1, at + 2, count);
      ranks.copyWithin(at, at + 1, count);
      count--;
      if (at > 0) ranks[at - 1] = merges.rank(tokens[at - 1]!, token);
      if (at + 1 < count) ranks[at] = merges.rank(token, tokens[at + 1]!);
    }
  }
}
