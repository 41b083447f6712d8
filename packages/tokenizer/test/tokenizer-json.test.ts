import { describe, expect, it } from 'vitest';
import { BpeTrainer, Tokenizer } from '../src/index.ts';
import { randomTexts } from './random-text.ts';

interface TokenizerFile {
  added_tokens: { id: number; content: string }[];
  normalizer: unknown;
  decoder: { type: string };
  pre_tokenizer: { pretokenizers: [{ pattern: { Regex: string } }, { use_regex: boolean }] };
  model: { type: string; vocab: Record<string, number>; merges: (string | string[])[] };
}

const trainer = new BpeTrainer({ vocabSize: 330, maxWordLength: 32 });
trainer.add('constructor\n'.repeat(100));
trainer.add(' the cat, the hat, été\n'.repeat(20));
const tokenizer = trainer.train();
const written = JSON.stringify(tokenizer.toJson());

function file(change: (json: TokenizerFile) => void = () => {}): TokenizerFile {
  const json = JSON.parse(written) as TokenizerFile;
  change(json);
  return json;
}

describe('tokenizer.json', () => {
  it('spells tokens in the byte alphabet of GPT-2', () => {
    const { model, added_tokens } = file();
    expect(added_tokens.map(({ id, content }) => [id, content])[5]).toEqual([5, '<|end|>']);
    const ids = ['<|endoftext|>', 'Ā', '!', 'Ġ', 'ÿ'].map((token) => model.vocab[token]);
    expect(ids).toEqual([0, 10, 43, 42, 265]);
    expect(model.merges).toContain('Ã ©');
    expect(Object.keys(model.vocab).length).toBe(tokenizer.vocabSize);
    expect(Object.hasOwn(model.vocab, 'constructor')).toBe(true);
  });

  it('reads back to the same tokenizer, with merges as strings or as pairs', () => {
    const pairs = file((json) => {
      json.model.merges = json.model.merges.map((merge) => String(merge).split(' '));
    });
    for (const json of [file(), pairs]) {
      const read = Tokenizer.fromJson(json);
      expect(read.toJson()).toBe(json);
      for (const text of randomTexts(60, 21)) expect(read.encode(text)).toEqual(tokenizer.encode(text));
    }
  });

  it.each<[string, (json: TokenizerFile) => void]>([
    ['normalizer', (json) => Object.assign(json, { normalizer: { type: 'NFC' } })],
    ['decoder', (json) => Object.assign(json, { decoder: null })],
    ['decoder.type', (json) => Object.assign(json.decoder, { type: 'WordPiece' })],
    ['model.type', (json) => Object.assign(json.model, { type: 'Unigram' })],
    ['model.dropout', (json) => Object.assign(json.model, { dropout: 0.1 })],
    ['model.byte_fallback', (json) => Object.assign(json.model, { byte_fallback: true })],
    ['added_tokens', (json) => json.added_tokens.splice(0)],
    ['added_tokens[1].content', (json) => Object.assign(json.added_tokens[1]!, { content: '<|endoftext|>' })],
    ['added_tokens[5].special', (json) => Object.assign(json.added_tokens[5]!, { special: false })],
    ['added_tokens[5].id', (json) => Object.assign(json.added_tokens[5]!, { id: -5 })],
    ['model.vocab["<|end|>"]', (json) => Object.assign(json.added_tokens[5]!, { id: 500 })],
    ['model.vocab["<end>"]', (json) => Object.assign(json.added_tokens[5]!, { content: '<end>' })],
    ['pre_tokenizer.type', (json) => Object.assign(json.pre_tokenizer, { type: 'Metaspace' })],
    [
      'pre_tokenizer.add_prefix_space',
      (json) => Object.assign(json, { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
    ],
    ['post_processor.type', (json) => Object.assign(json, { post_processor: { type: 'BertProcessing' } })],
    [
      'text_boundaries.end',
      (json) => Object.assign(json, { text_boundaries: { begin: '<|pad|>', end: 'a' } }),
    ],
    ['model.ignore_merges', (json) => Object.assign(json.model, { ignore_merges: true })],
    [
      'pre_tokenizer.pretokenizers[0].pattern.Regex',
      (json) => Object.assign(json.pre_tokenizer.pretokenizers[0].pattern, { Regex: '(a{1,64}+)+$' }),
    ],
    [
      'pre_tokenizer.pretokenizers[1].use_regex',
      (json) => Object.assign(json.pre_tokenizer.pretokenizers[1], { use_regex: true }),
    ],
    ['model.merges', (json) => Object.assign(json.model, { merges: {} })],
    ['model.merges[0]', (json) => json.model.merges.unshift('a')],
    ['model.merges[0]', (json) => json.model.merges.unshift('zz z')],
    ['model.merges[0]', (json) => json.model.merges.unshift('<|end|> a')],
    ['model.merges[0]', (json) => json.model.merges.unshift(['a', 'b', 'c'])],
    ['model.merges[0][1]', (json) => json.model.merges.unshift(['a', 7] as unknown as string[])],
    [`model.merges[${tokenizer.vocabSize - 266}]`, (json) => json.model.merges.push(json.model.merges[0]!)],
    ['model.vocab.extra', (json) => Object.assign(json.model.vocab, { extra: 9999 })],
    ['model.vocab["a b"]', (json) => Object.assign(json.model.vocab, { 'a b': tokenizer.vocabSize })],
    ['model.vocab.a', (json) => delete json.model.vocab.a],
    ['model.vocab["\\""]', (json) => Object.assign(json.model.vocab, { '!': 44 })],
  ])('refuses wrong %s', (param, change) => {
    expect(() => Tokenizer.fromJson(file(change))).toThrow(
      expect.objectContaining({ code: 'invalid_data', param }),
    );
  });

  it.each([null, undefined, 'text', [], {}])('refuses %j', (value) => {
    expect(() => Tokenizer.fromJson(value)).toThrow(expect.objectContaining({ code: 'invalid_data' }));
  });
});
