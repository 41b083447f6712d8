import { TrainyardError } from '@trainyard/contracts';
import { BYTE_ALPHABET } from './byte-alphabet.ts';
import { MergeTable } from './merge-table.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { checkMaxWordLength } from './pre-tokens.ts';
import { readTokenizerJson } from './read-tokenizer-json.ts';
import { SPECIAL_TOKENS, type SpecialIds } from './special-tokens.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { TokenBuffer } from './token-buffer.ts';
import { WordEncoder } from './word-encoder.ts';
import { writeTokenizerJson } from './write-tokenizer-json.ts';

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; on bytes: Radford et al. 2019): any text encodes, and
 * well-formed text decodes to itself. One that was trained here has the ids 0-9 SPECIAL_TOKENS, 10-265 the bytes, from
 * 266 the merges; an imported one has its own.
 */
export class Tokenizer {
  readonly vocabSize: number;
  /** By role; asking for one that the vocabulary lacks throws `incompatible_checkpoint`. */
  readonly special: Readonly<SpecialIds>;
  /** What a prompt of plain text starts with. */
  readonly beginOfText: number;
  /** What ends a message: `<|end|>`, or end of text where the vocabulary lacks it. */
  readonly endOfMessage: number;
  readonly preTokenizer: PreTokenizer;
  readonly #json: object;
  readonly #specials: ReadonlyMap<number, string>;
  readonly #bytesOf: readonly Uint8Array[];
  readonly #words: WordEncoder;

  private constructor(json: object) {
    const parts = readTokenizerJson(json);
    this.#json = json;
    this.#specials = new Map([...parts.specials].map(([text, id]) => [id, text]));
    this.#bytesOf = parts.spellings.map((spelling, id) =>
      this.#specials.has(id) ? new Uint8Array(0) : toBytes(spelling),
    );
    this.vocabSize = this.#bytesOf.length;
    this.special = specialIds(parts.specials, parts.endOfText);
    this.beginOfText = parts.beginOfText;
    this.endOfMessage = parts.specials.get(SPECIAL_TOKENS.end) ?? parts.endOfText;
    this.preTokenizer = parts.preTokenizer;
    const { maxWordBytes } = this.preTokenizer;
    this.#words = new WordEncoder(new MergeTable(parts.merges), parts.byteIds, maxWordBytes);
  }

  /**
   * Never yields a special token: "<|end|>" in a text is seven characters like any others. Lone surrogates become
   * U+FFFD.
   */
  encode(text: string): Int32Array {
    const out = new TokenBuffer(Math.ceil(text.length / 3));
    this.preTokenizer.scan(text, (word) => this.#words.append(word, out));
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
      const special = options.keepSpecial ? this.#specials.get(id) : undefined;
      parts.push(special === undefined ? bytes : Buffer.from(special));
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

  /** The text of a special token; undefined for an ordinary one. */
  specialText(id: number): string | undefined {
    return this.#specials.get(id);
  }

  /** The id of the special token with this text, if there is one. */
  specialId(text: string): number | undefined {
    for (const [id, found] of this.#specials) if (found === text) return id;
    return undefined;
  }

  decoder(): StreamDecoder {
    return new StreamDecoder((token) => this.#lookUp(token, 'token'));
  }

  /**
   * A Hugging Face tokenizer.json, as `fromJson` takes it. Python's `tokenizers` encodes the same, except that it turns
   * "<|end|>" in a text into the special token unless its `encode_special_tokens` is set.
   */
  toJson(): object {
    return this.#json;
  }

  /**
   * Reads a tokenizer.json (parsed): one of toJson, or of another byte-level BPE whose way of cutting words is known.
   * @throws TrainyardError `invalid_data`, `param` naming the key.
   */
  static fromJson(value: unknown): Tokenizer {
    return new Tokenizer(value as object);
  }

  /** @param pairs [merges, 2] flattened ids; merge i makes token 266 + i out of two earlier, non-special ones. */
  static fromMerges(pairs: Int32Array, maxWordLength: number): Tokenizer {
    return new Tokenizer(writeTokenizerJson(pairs, checkMaxWordLength(maxWordLength)));
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

/** The byte of each letter's code point, which is below 512. */
const BYTE_OF = new Uint8Array(512);
BYTE_ALPHABET.forEach((letter, byte) => {
  BYTE_OF[letter.charCodeAt(0)] = byte;
});

function toBytes(spelling: string): Uint8Array {
  return Uint8Array.from({ length: spelling.length }, (_, i) => BYTE_OF[spelling.charCodeAt(i)]!);
}

function specialIds(specials: ReadonlyMap<string, number>, endOfText: number): SpecialIds {
  const ids = {} as SpecialIds;
  for (const [role, text] of Object.entries(SPECIAL_TOKENS)) {
    const value = role === 'endOfText' ? endOfText : specials.get(text);
    const get = (): never => {
      throw new TrainyardError(
        'incompatible_checkpoint',
        `The tokenizer has no token ${text}, which this needs; it was imported without one.`,
        { param: text },
      );
    };
    Object.defineProperty(ids, role, value === undefined ? { get } : { value, enumerable: true });
  }
  return Object.freeze(ids);
}
