import { TrainyardError } from '@trainyard/contracts';
import { MergeTable } from './merge-table.ts';
import { checkMaxWordLength, WordScanner } from './pre-tokens.ts';
import { FIRST_BYTE_ID, SPECIAL_IDS, SPECIAL_TEXTS, type SpecialIds } from './special-tokens.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { TokenBuffer } from './token-buffer.ts';
import { readTokenizerJson, writeTokenizerJson } from './tokenizer-json.ts';
import { WordEncoder } from './word-encoder.ts';

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; on bytes: Radford et al. 2019): any text encodes, and
 * well-formed text decodes to itself. Ids: 0-9 SPECIAL_TOKENS, 10-265 the bytes, from 266 the merges.
 */
export class Tokenizer {
  readonly vocabSize: number;
  readonly special: Readonly<SpecialIds> = SPECIAL_IDS;
  readonly #pairs: Int32Array;
  readonly #maxWordLength: number;
  readonly #bytesOf: readonly Uint8Array[];
  readonly #scanner: WordScanner;
  readonly #words: WordEncoder;

  /** @param pairs [merges, 2] flattened ids; merge i makes token 266 + i out of two earlier, non-special ones. */
  constructor(pairs: Int32Array, maxWordLength: number) {
    this.#pairs = pairs;
    this.#maxWordLength = checkMaxWordLength(maxWordLength);
    this.#bytesOf = bytesOfTokens(pairs);
    this.vocabSize = this.#bytesOf.length;
    this.#scanner = new WordScanner(maxWordLength);
    this.#words = new WordEncoder(new MergeTable(pairs), maxWordLength);
  }

  /**
   * Never yields a special token: "<|end|>" in a text is seven characters like any others. Lone surrogates become
   * U+FFFD.
   */
  encode(text: string): Int32Array {
    const out = new TokenBuffer(Math.ceil(text.length / 3));
    this.#scanner.scan(text, (word) => this.#words.append(word, out));
    return out.toArray();
  }

  /**
   * Invalid UTF-8 becomes U+FFFD. Special tokens are left out, or spelt out with `keepSpecial`.
   * @throws TrainyardError `invalid_data` (param `tokens[i]`) for an id outside the vocabulary.
   */
  decode(tokens: ArrayLike<number>, options: { keepSpecial?: boolean } = {}): string {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i]!;
      const bytes = this.#lookUp(id, `tokens[${i}]`);
      parts.push(options.keepSpecial && id < FIRST_BYTE_ID ? Buffer.from(SPECIAL_TEXTS[id]!) : bytes);
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  /**
   * The bytes of text that a token stands for: none for a special one.
   * @throws TrainyardError `invalid_data` for an id outside the vocabulary.
   */
  tokenBytes(id: number): Uint8Array {
    return this.#lookUp(id, 'id').slice();
  }

  decoder(): StreamDecoder {
    return new StreamDecoder((token) => this.#lookUp(token, 'token'));
  }

  /**
   * A Hugging Face tokenizer.json. Python's `tokenizers` encodes the same, except that it turns "<|end|>" in a text
   * into the special token unless its `encode_special_tokens` is set.
   */
  toJson(): object {
    return writeTokenizerJson(this.#pairs, this.#maxWordLength);
  }

  /**
   * Reads what toJson wrote (parsed). Other tokenizers are refused: their vocabulary lacks the special tokens.
   * @throws TrainyardError `invalid_data`, `param` naming the key.
   */
  static fromJson(value: unknown): Tokenizer {
    const { pairs, maxWordLength } = readTokenizerJson(value);
    return new Tokenizer(pairs, maxWordLength);
  }

  #lookUp(id: number, param: string): Uint8Array {
    const bytes = this.#bytesOf[id];
    if (bytes !== undefined) return bytes;
    throw new TrainyardError(
      'invalid_data',
      `Token ${id} is not in the vocabulary: ids are integers from 0 to ${this.vocabSize - 1}.`,
      { param },
    );
  }
}

/** Bytes by id, merges being the bytes of their two parts. */
function bytesOfTokens(pairs: Int32Array): Uint8Array[] {
  const bytesOf: Uint8Array[] = SPECIAL_TEXTS.map(() => new Uint8Array(0));
  for (let byte = 0; byte < 256; byte++) bytesOf.push(Uint8Array.of(byte));
  for (let i = 0; i < pairs.length; i += 2) {
    const left = bytesOf[pairs[i]!]!;
    const right = bytesOf[pairs[i + 1]!]!;
    const both = new Uint8Array(left.length + right.length);
    both.set(left);
    both.set(right, left.length);
    bytesOf.push(both);
  }
  return bytesOf;
}
