import { describe, expect, it } from 'vitest';
import { BYTE_ALPHABET } from '../src/byte-alphabet.ts';
import { chatTemplate, renderChat, Tokenizer } from '../src/index.ts';
import { randomTexts } from './random-text.ts';

const CL100K =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const byteLevel = (use_regex: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, use_regex });
const split = (Regex: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
    byteLevel(false),
  ],
});
const digits = {
  type: 'Sequence',
  pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
};

/** As `tokenizers` writes a vocabulary: bytes first, merges, then the special tokens at the end. */
function foreign(pre_tokenizer: object, merges: string[], specials = ['<s>', '</s>']) {
  const vocab = [...BYTE_ALPHABET, ...merges.map((merge) => merge.replace(' ', ''))];
  return {
    version: '1.0',
    normalizer: null,
    pre_tokenizer,
    post_processor: { type: 'ByteLevel', trim_offsets: false },
    decoder: { type: 'ByteLevel' },
    added_tokens: specials.map((content, i) => ({ id: vocab.length + i, content, special: true })),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      byte_fallback: false,
      vocab: Object.fromEntries(vocab.map((spelling, id) => [spelling, id])),
      merges,
    },
    text_boundaries: { begin: '<s>', end: '</s>' },
  };
}
const words = (json: object, text: string): string[] => {
  const found: string[] = [];
  Tokenizer.fromJson(json).preTokenizer.scan(text, (word) => found.push(word));
  return found;
};

describe('a foreign byte-level BPE', () => {
  it.each<[string, object, string[]]>([
    ['gpt-2', byteLevel(true), ['I', "'ll", ' pay', ' 1234', ' $!', '\n ', ' now']],
    ['smollm', digits, ['I', "'ll", ' pay', ' ', '1', '2', '3', '4', ' $!', '\n ', ' now']],
    ['llama-bpe', split(CL100K), ['I', "'ll", ' pay', ' ', '123', '4', ' $!\n', ' ', ' now']],
    [
      'qwen2',
      split(CL100K.replace('{1,3}', '')),
      ['I', "'ll", ' pay', ' ', '1', '2', '3', '4', ' $!\n', ' ', ' now'],
    ],
  ])('cuts words as %s does', (name, preTokenizer, expected) => {
    const json = foreign(preTokenizer, []);
    expect(Tokenizer.fromJson(json).preTokenizer.name).toBe(name);
    expect(words(json, "I'll pay 1234 $!\n  now")).toEqual(expected);
  });

  it('merges by rank, whatever the ids are', () => {
    // "bc" comes before "ab" although its id is greater.
    const json = foreign(byteLevel(true), ['a b', 'b c']);
    json.model.merges = ['b c', 'a b'];
    const tokenizer = Tokenizer.fromJson(json);
    expect(tokenizer.decode(tokenizer.encode('abc'))).toBe('abc');
    expect([...tokenizer.encode('abc')]).toEqual([json.model.vocab.a, json.model.vocab.bc]);
  });

  it('gives back any text, and cuts words without end', () => {
    const tokenizer = Tokenizer.fromJson(foreign(digits, ['a a', 'aa aa']));
    for (const text of [...randomTexts(200, 9), 'a'.repeat(5000), '👍'.repeat(2000)])
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('knows where texts begin and end, and names the special token that it lacks', () => {
    const tokenizer = Tokenizer.fromJson(foreign(byteLevel(true), []));
    expect([tokenizer.beginOfText, tokenizer.special.endOfText, tokenizer.endOfMessage]).toEqual([
      256, 257, 257,
    ]);
    expect(Object.keys(tokenizer.special)).toEqual(['endOfText']);
    expect(() => tokenizer.special.mask).toThrow(
      expect.objectContaining({ code: 'incompatible_checkpoint', param: '<|mask|>' }),
    );
    expect(Tokenizer.fromJson(tokenizer.toJson()).beginOfText).toBe(256);
  });

  it('lays out conversations in text where it has no tokens for the roles', () => {
    const tokenizer = Tokenizer.fromJson(foreign(byteLevel(true), []));
    const { tokens, lossMask } = renderChat(tokenizer, [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'yo' },
    ]);
    expect(tokenizer.decode(tokens, { keepSpecial: true })).toBe('<|user|>hi</s><|assistant|>yo</s>');
    expect(lossMask.reduce((sum, value) => sum + value, 0)).toBe(3);
    expect(chatTemplate(tokenizer)).toContain("message['content'] + '</s>'");
  });
});
