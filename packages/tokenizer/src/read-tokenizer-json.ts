import { BYTE_ALPHABET } from './byte-alphabet.ts';
import { JsonNode } from './json-node.ts';
import { PreTokenizer } from './pre-tokenizer.ts';
import { MAX_VOCAB_SIZE, SPECIAL_TOKENS } from './special-tokens.ts';

/** All that a byte-level BPE is made of. */
export interface TokenizerParts {
  preTokenizer: PreTokenizer;
  /** The text of each id, in the byte alphabet; a special token's as it is. */
  spellings: readonly string[];
  /** Special tokens, text to id, in the order of the file. */
  specials: ReadonlyMap<string, number>;
  /** [256], the token of each byte. */
  byteIds: Int32Array;
  /** [merges, 3] flattened: left, right and the token that they make, in the order learnt. */
  merges: Int32Array;
  /** Before the first word of a text, and after its last one. */
  beginOfText: number;
  endOfText: number;
}

/**
 * Reads the tokenizer.json format of Hugging Face `tokenizers`: byte-level BPE alone. Its extra member
 * `text_boundaries` ({ begin, end }, texts of special tokens) is Trainyard's own; `<|endoftext|>` without it.
 * @throws TrainyardError `invalid_data`, `param` naming the first key that is wrong or not supported.
 */
export function readTokenizerJson(value: unknown): TokenizerParts {
  const root = new JsonNode(value, '');
  root.at('version').mustEqual('1.0');
  root.at('normalizer').mustEqual(null);
  root.at('decoder').at('type').mustEqual('ByteLevel');
  checkPostProcessor(root.at('post_processor'));
  const model = root.at('model');
  model.at('type').mustEqual('BPE');
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model.at(key).value !== '') model.at(key).mustEqual(null);
  }
  for (const key of ['byte_fallback', 'ignore_merges']) {
    if (model.at(key).value !== undefined) model.at(key).mustEqual(false);
  }
  const preTokenizer = PreTokenizer.read(root.at('pre_tokenizer'));
  const specials = readAddedTokens(root.at('added_tokens'));
  const vocab = model.at('vocab');
  const byteIds = Int32Array.from(BYTE_ALPHABET, (letter) => {
    const { value: id } = vocab.at(letter);
    return specials.has(letter) || id === undefined
      ? vocab.at(letter).fail('is missing: every byte needs a token')
      : (id as number);
  });
  const ids = readVocab(vocab, specials);
  const merges = readMerges(model.at('merges'), ids, specials);
  const spellings = new Array<string>(ids.size);
  for (const [spelling, id] of ids) spellings[id] = spelling;
  const boundaries = root.at('text_boundaries');
  const boundary = (side: 'begin' | 'end'): number => {
    if (boundaries.value === undefined)
      return specials.get(SPECIAL_TOKENS.endOfText) ?? root.at('added_tokens').fail(NO_END_OF_TEXT);
    const text = boundaries.at(side);
    return specials.get(text.string()) ?? text.fail('is no special token of added_tokens');
  };
  const [beginOfText, endOfText] = [boundary('begin'), boundary('end')];
  return { preTokenizer, spellings, specials, byteIds, merges, beginOfText, endOfText };
}

const NO_END_OF_TEXT = `has no ${SPECIAL_TOKENS.endOfText}, and nothing else is named as the end of a text`;

/** A post-processor may add special tokens around a text; here that is done by whoever lays out a prompt. */
function checkPostProcessor(node: JsonNode): void {
  if (node.value === null || node.value === undefined) return;
  const type = node.at('type');
  if (type.value === 'Sequence') node.at('processors').list().forEach(checkPostProcessor);
  else if (type.value !== 'ByteLevel' && type.value !== 'TemplateProcessing')
    type.fail('must be ByteLevel, TemplateProcessing or a Sequence of these');
}

function readAddedTokens(tokens: JsonNode): Map<string, number> {
  const specials = new Map<string, number>();
  for (const token of tokens.list()) {
    const [id, content] = [token.at('id'), token.at('content')];
    if (!Number.isSafeInteger(id.value) || (id.value as number) < 0) id.fail('must be an id');
    // Any other kind would be cut out of ordinary text before the merges.
    token.at('special').mustEqual(true);
    if (specials.has(content.string())) content.fail('occurs twice');
    specials.set(content.string(), id.value as number);
  }
  return specials;
}

/** Every entry with its id: 0 to size - 1, each once. */
function readVocab(vocab: JsonNode, specials: ReadonlyMap<string, number>): Map<string, number> {
  const ids = new Map<string, number>(Object.entries(vocab.object()) as [string, number][]);
  for (const [content, id] of specials) {
    if ((ids.get(content) ?? id) !== id) vocab.at(content).fail(`must be ${id}, as in added_tokens`);
    ids.set(content, id);
  }
  if (ids.size > MAX_VOCAB_SIZE) vocab.fail(`has more than ${MAX_VOCAB_SIZE} entries`);
  const taken = new Uint8Array(ids.size);
  for (const [spelling, id] of ids) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= ids.size || taken[id])
      vocab.at(spelling).fail(`is ${JSON.stringify(id)}; ids must be 0 to ${ids.size - 1}, each once`);
    taken[id] = 1;
    if (!specials.has(spelling) && !isSpelling(spelling))
      vocab.at(spelling).fail('is not spelt in the alphabet of byte-level BPE');
  }
  return ids;
}

const LETTERS = new Set(BYTE_ALPHABET);

function isSpelling(text: string): boolean {
  for (const letter of text) if (!LETTERS.has(letter)) return false;
  return text !== '';
}

function readMerges(
  node: JsonNode,
  ids: ReadonlyMap<string, number>,
  specials: ReadonlyMap<string, number>,
): Int32Array {
  // Each makes an entry, as a rule one of its own.
  if (Array.isArray(node.value) && node.value.length > MAX_VOCAB_SIZE)
    node.fail(`has more than ${MAX_VOCAB_SIZE} entries`);
  const list = node.list();
  const merges = new Int32Array(3 * list.length);
  const seen = new Set<number>();
  list.forEach((merge, rank) => {
    const [left, right] = readPair(merge) as [string, string];
    [left, right, left + right].forEach((spelling, place) => {
      const id = specials.has(spelling) ? undefined : ids.get(spelling);
      if (id === undefined) merge.fail(`uses ${JSON.stringify(spelling)}, which is no entry of model.vocab`);
      merges[3 * rank + place] = id!;
    });
    const pair = merges[3 * rank]! * MAX_VOCAB_SIZE + merges[3 * rank + 1]!;
    if (seen.has(pair)) merge.fail('repeats an earlier one');
    seen.add(pair);
  });
  return merges;
}

/** "a b", or ["a", "b"] as newer versions of the library write. */
function readPair(merge: JsonNode): string[] {
  if (Array.isArray(merge.value)) return merge.list(2).map((part) => part.string());
  const parts = merge.string().split(' ');
  return parts.length === 2 ? parts : merge.fail('must be two tokens with one space between them');
}
