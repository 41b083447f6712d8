import { BYTE_ALPHABET } from './byte-alphabet.ts';
import { wordPattern } from './pre-tokens.ts';
import { SPECIAL_TEXTS } from './special-tokens.ts';

/** The tokenizer.json format of Hugging Face `tokenizers`. */
export function writeTokenizerJson(pairs: Int32Array, maxWordLength: number): object {
  const spellings = [...SPECIAL_TEXTS, ...BYTE_ALPHABET];
  const merges: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const left = spellings[pairs[i]!]!;
    const right = spellings[pairs[i + 1]!]!;
    merges.push(`${left} ${right}`);
    spellings.push(left + right);
  }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TEXTS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: wordPattern(maxWordLength) },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(spellings.map((spelling, id) => [spelling, id])),
      merges,
    },
  };
}
