import { TrainyardError } from '@trainyard/contracts';

export const DEFAULT_MAX_WORD_LENGTH = 64;
const LONGEST_MAX_WORD_LENGTH = 256;

/**
 * The regular expression that cuts text into words (pre-tokens); merges never cross them. It follows GPT-4's
 * (cl100k) with these differences:
 * - runs are at most `maxWordLength` code points, which bounds time and memory on text without spaces;
 * - combining marks belong to letters, so that Devanagari or Thai words stay whole;
 * - every digit is a word of its own, so that small models see numbers in one consistent spelling;
 * - a contraction ('s, 'll, ...) must end its word, so that `'something` is not cut after `'s`;
 * - `\p{White_Space}` instead of `\s`, which differs between regex engines (U+0085, U+FEFF).
 * In order: contraction; letters with at most one leading space or sign; digit; punctuation with at most one
 * leading space and its line ends; white space up to a line end; white space but the last before a word; the rest.
 * Every code point matches some alternative. JavaScript (flag u) and Oniguruma read it alike.
 */
export function wordPattern(maxWordLength: number): string {
  const run = `{1,${maxWordLength}}`;
  const tail = `{0,${maxWordLength}}`;
  return [
    `'(?:[sdmtSDMT]|[lL][lL]|[vV][eE]|[rR][eE])(?![\\p{L}\\p{M}])`,
    `[^\\r\\n\\p{L}\\p{M}\\p{N}]?[\\p{L}\\p{M}]${run}`,
    `\\p{N}`,
    ` ?[^\\p{White_Space}\\p{L}\\p{M}\\p{N}]${run}[\\r\\n]${tail}`,
    `\\p{White_Space}${tail}[\\r\\n]`,
    `\\p{White_Space}${run}(?!\\P{White_Space})`,
    `\\p{White_Space}${run}`,
  ].join('|');
}

/** The inverse of wordPattern, or undefined where `pattern` is not one of its results. */
export function maxWordLengthOf(pattern: string): number | undefined {
  const length = Number(/\{1,(\d{1,3})\}/.exec(pattern)?.[1]);
  return isMaxWordLength(length) && wordPattern(length) === pattern ? length : undefined;
}

export function checkMaxWordLength(length: number): number {
  if (isMaxWordLength(length)) return length;
  throw new TrainyardError(
    'invalid_config',
    `maxWordLength must be an integer from 1 to ${LONGEST_MAX_WORD_LENGTH}, not ${length}.`,
    { param: 'maxWordLength' },
  );
}

function isMaxWordLength(length: number): boolean {
  return Number.isInteger(length) && length >= 1 && length <= LONGEST_MAX_WORD_LENGTH;
}

/** Upper bound of a word's UTF-8 length: two runs and one more code point, four bytes each. */
export function maxWordBytes(maxWordLength: number): number {
  return 4 * (2 * maxWordLength + 1);
}

/** Calls `visit` with each word of `text` in order; the words joined are the text. */
export class WordScanner {
  readonly #pattern: RegExp;

  constructor(maxWordLength: number) {
    this.#pattern = new RegExp(wordPattern(maxWordLength), 'uy');
  }

  scan(text: string, visit: (word: string) => void): void {
    const pattern = this.#pattern;
    let start = 0;
    while (start < text.length) {
      pattern.lastIndex = start;
      pattern.test(text);
      const end = pattern.lastIndex;
      visit(text.slice(start, end));
      start = end;
    }
  }
}

/**
 * A copy of a word that outlives its text. V8 cuts long substrings as views, which would keep the whole text alive
 * for as long as the word is a key of a map.
 */
export function detachedCopy(word: string): string {
  return word.length < 13 ? word : Buffer.from(word, 'utf16le').toString('utf16le');
}
