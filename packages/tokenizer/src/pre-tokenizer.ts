import type { JsonNode } from './json-node.ts';
import { maxWordBytes, maxWordLengthOf, wordPattern } from './pre-tokens.ts';

/** The cuts that are known, by the names that llama.cpp has for them where it has one. */
export type PreTokenizerName = 'trainyard' | 'gpt-2' | 'llama-bpe' | 'qwen2' | 'smollm';

/**
 * Longest word of a tokenizer that sets no bound itself, in UTF-16 units. Words longer than this are cut, which bounds
 * the time that text without spaces takes; the library that made the tokenizer would not cut them.
 */
const LONGEST_WORD = 1024;

/** `\s` of Oniguruma, which reads the patterns of tokenizer.json, is the property White_Space. */
const javascript = (pattern: string): RegExp =>
  new RegExp(
    pattern
      .replaceAll('[^\\s', '[^\\p{White_Space}')
      .replaceAll('\\s', '\\p{White_Space}')
      .replaceAll('\\S', '\\P{White_Space}')
      .replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sS\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"),
    'uy',
  );

/** What ByteLevel cuts with where `use_regex` is set: GPT-2's pattern (Radford et al. 2019). */
const GPT2 = javascript("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

const cl100k = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** Foreign patterns are compared, never compiled: a regular expression of a stranger could take exponential time. */
const SPLITS: Readonly<Record<string, PreTokenizerName>> = {
  [cl100k('\\p{N}{1,3}')]: 'llama-bpe',
  [cl100k('\\p{N}')]: 'qwen2',
};

/** Cuts text into words, which merges never cross; the words joined are the text. */
export class PreTokenizer {
  readonly name: PreTokenizerName;
  /** Upper bound of a word's UTF-8 length. */
  readonly maxWordBytes: number;
  /** Applied one after the other, each to the pieces that the one before it cut; each matches every code point. */
  readonly #patterns: readonly RegExp[];
  readonly #longest: number;

  private constructor(name: PreTokenizerName, patterns: readonly RegExp[], ownMaxWordLength?: number) {
    this.name = name;
    this.#patterns = patterns;
    this.#longest = ownMaxWordLength === undefined ? LONGEST_WORD : Number.POSITIVE_INFINITY;
    this.maxWordBytes = ownMaxWordLength === undefined ? 3 * LONGEST_WORD : maxWordBytes(ownMaxWordLength);
  }

  scan(text: string, visit: (word: string) => void): void {
    this.#cut(text, 0, visit);
  }

  #cut(text: string, depth: number, visit: (word: string) => void): void {
    const pattern = this.#patterns[depth]!;
    const last = depth === this.#patterns.length - 1;
    for (let start = 0; start < text.length; ) {
      pattern.lastIndex = start;
      pattern.test(text);
      const end = pattern.lastIndex;
      const word = text.slice(start, end);
      if (!last) this.#cut(word, depth + 1, visit);
      else if (word.length <= this.#longest) visit(word);
      else for (const piece of pieces(word, this.#longest)) visit(piece);
      start = end;
    }
  }

  /** The `pre_tokenizer` of a tokenizer.json; `JsonNode.fail` names the key that is of another kind. */
  static read(node: JsonNode): PreTokenizer {
    if (node.at('type').value === 'ByteLevel') {
      readByteLevel(node, true);
      return new PreTokenizer('gpt-2', [GPT2]);
    }
    node.at('type').mustEqual('Sequence');
    const [first, byteLevel] = node.at('pretokenizers').list(2) as [JsonNode, JsonNode];
    if (first.at('type').value === 'Digits') {
      first.at('individual_digits').mustEqual(true);
      readByteLevel(byteLevel, true);
      return new PreTokenizer('smollm', [/\p{N}|\P{N}+/uy, GPT2]);
    }
    readByteLevel(byteLevel, false);
    first.at('type').mustEqual('Split');
    first.at('behavior').mustEqual('Isolated');
    first.at('invert').mustEqual(false);
    const regex = first.at('pattern').at('Regex');
    const own = maxWordLengthOf(regex.string());
    if (own !== undefined) return new PreTokenizer('trainyard', [new RegExp(wordPattern(own), 'uy')], own);
    const known = SPLITS[regex.string()];
    if (!known)
      return regex.fail("is none of the patterns that are known: this tokenizer's, Llama 3's, Qwen 2's");
    return new PreTokenizer(known, [javascript(regex.string())]);
  }
}

function readByteLevel(node: JsonNode, usesRegex: boolean): void {
  node.at('type').mustEqual('ByteLevel');
  node.at('add_prefix_space').mustEqual(false);
  // The library's own default, which older files leave out.
  if (!(usesRegex && node.at('use_regex').value === undefined)) node.at('use_regex').mustEqual(usesRegex);
}

/** At most `longest` UTF-16 units each, never half of a surrogate pair. */
function* pieces(word: string, longest: number): Generator<string> {
  let start = 0;
  while (word.length - start > longest) {
    const last = word.charCodeAt(start + longest - 1);
    const end = start + longest - (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    yield word.slice(start, end);
    start = end;
  }
  yield word.slice(start);
}
