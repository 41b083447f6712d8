import { BYTE_ALPHABET } from './byte-alphabet.ts';
import { JsonNode } from './json-node.ts';
import { maxWordLengthOf, wordPattern } from './pre-tokens.ts';
import { FIRST_BYTE_ID, FIRST_MERGE_ID, MAX_VOCAB_SIZE, SPECIAL_TEXTS } from './special-tokens.ts';

/** All that distinguishes one trained tokenizer from another. `pairs` is [merges, 2] flattened. */
export interface TokenizerParts {
  pairs: Int32Array;
  maxWordLength: number;
}

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

/** @throws TrainyardError `invalid_data`, `param` naming the first key that is wrong. */
export function readTokenizerJson(value: unknown): TokenizerParts {
  const root = new JsonNode(value, '');
  root.at('version').mustEqual('1.0');
  root.at('normalizer').mustEqual(null);
  root.at('post_processor').mustEqual(null);
  root.at('decoder').at('type').mustEqual('ByteLevel');
  const model = root.at('model');
  model.at('type').mustEqual('BPE');
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    model.at(key).mustEqual(null);
  }
  model.at('byte_fallback').mustEqual(false);
  checkAddedTokens(root.at('added_tokens'));
  const maxWordLength = readMaxWordLength(root.at('pre_tokenizer'));
  const { pairs, spellings } = readMerges(model.at('merges'));
  checkVocab(model.at('vocab'), spellings);
  return { pairs, maxWordLength };
}

function checkAddedTokens(tokens: JsonNode): void {
  tokens.list(SPECIAL_TEXTS.length).forEach((token, id) => {
    token.at('id').mustEqual(id);
    token.at('content').mustEqual(SPECIAL_TEXTS[id]!);
    token.at('special').mustEqual(true);
  });
}

/** Only patterns of wordPattern are accepted: a foreign regular expression could take exponential time. */
function readMaxWordLength(preTokenizer: JsonNode): number {
  preTokenizer.at('type').mustEqual('Sequence');
  const [split, byteLevel] = preTokenizer.at('pretokenizers').list(2) as [JsonNode, JsonNode];
  byteLevel.at('type').mustEqual('ByteLevel');
  byteLevel.at('add_prefix_space').mustEqual(false);
  byteLevel.at('use_regex').mustEqual(false);
  split.at('type').mustEqual('Split');
  split.at('behavior').mustEqual('Isolated');
  split.at('invert').mustEqual(false);
  const regex = split.at('pattern').at('Regex');
  return maxWordLengthOf(regex.string()) ?? regex.fail('is not a word pattern of this tokenizer');
}

function readMerges(merges: JsonNode): { pairs: Int32Array; spellings: string[] } {
  const spellings = [...SPECIAL_TEXTS, ...BYTE_ALPHABET];
  const ids = new Map(spellings.map((spelling, id) => [spelling, id]));
  const list = merges.list();
  if (FIRST_MERGE_ID + list.length > MAX_VOCAB_SIZE) merges.fail(`has more than ${MAX_VOCAB_SIZE} entries`);
  const pairs = new Int32Array(2 * list.length);
  list.forEach((merge, i) => {
    const parts = readPair(merge);
    parts.forEach((part, side) => {
      const id = ids.get(part) ?? -1;
      if (id < FIRST_BYTE_ID) merge.fail(`uses ${JSON.stringify(part)}, which no earlier merge makes`);
      pairs[2 * i + side] = id;
    });
    const spelling = parts.join('');
    if (ids.has(spelling)) merge.fail(`makes ${JSON.stringify(spelling)}, which exists already`);
    ids.set(spelling, spellings.length);
    spellings.push(spelling);
  });
  return { pairs, spellings };
}

/** "a b", or ["a", "b"] as newer versions of the library write. */
function readPair(merge: JsonNode): string[] {
  if (Array.isArray(merge.value)) return merge.list(2).map((part) => part.string());
  const parts = merge.string().split(' ');
  return parts.length === 2 ? parts : merge.fail('must be two tokens with one space between them');
}

function checkVocab(vocab: JsonNode, spellings: readonly string[]): void {
  spellings.forEach((spelling, id) => {
    vocab.at(spelling).mustEqual(id);
  });
  const size = Object.keys(vocab.object()).length;
  if (size !== spellings.length) {
    vocab.fail(`has ${size} entries, but the special tokens, bytes and merges make ${spellings.length}`);
  }
}
