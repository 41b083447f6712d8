import { describe, expect, it } from 'vitest';
import { BpeTrainer, SPECIAL_TOKENS, Tokenizer } from '../src/index.ts';
import { generateText } from './generate-text.ts';
import { randomTexts } from './random-text.ts';

const corpus = generateText(40_000, 3);
const tokenizer = trained(500, [corpus, ...randomTexts(200, 4), '<|end|> __proto__ '.repeat(200)]);

function trained(vocabSize: number, texts: readonly string[]): Tokenizer {
  const trainer = new BpeTrainer({ vocabSize });
  for (const text of texts) trainer.add(text);
  return trainer.train();
}

describe('encode and decode', () => {
  it('give back any well-formed text, with and without merges', () => {
    const bytesOnly = trained(266, []);
    for (const text of [corpus, ...randomTexts(300, 5)]) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      expect(bytesOnly.encode(text)).toEqual(Int32Array.from(Buffer.from(text), (byte) => 10 + byte));
    }
  });

  it('give the same tokens whether the words are remembered or new', () => {
    const fresh = Tokenizer.fromJson(tokenizer.toJson());
    for (const text of randomTexts(300, 6)) expect(fresh.encode(text)).toEqual(tokenizer.encode(text));
  });

  it('survive more distinct words than the word cache holds', () => {
    const text = Array.from(
      { length: 70_000 },
      (_, i) => ` ${i.toString(26).replace(/\d/g, (d) => 'ABCDEFGHIJ'[+d]!)}`,
    ).join('');
    expect(tokenizer.decode(tokenizer.encode(text + text))).toBe(text + text);
  });

  it('never make a special token out of text', () => {
    const text = Object.values(SPECIAL_TOKENS).join('');
    expect(Math.min(...tokenizer.encode(text))).toBeGreaterThanOrEqual(10);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('number the specials 0 to 9 and leave them out of text unless asked', () => {
    const { special } = tokenizer;
    expect(Object.keys(special)).toEqual(Object.keys(SPECIAL_TOKENS));
    expect(Object.values(special)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const tokens = [special.user, ...tokenizer.encode('hi'), special.end];
    expect(tokenizer.decode(tokens)).toBe('hi');
    expect(tokenizer.decode(tokens, { keepSpecial: true })).toBe('<|user|>hi<|end|>');
    expect(tokenizer.tokenBytes(special.user)).toEqual(new Uint8Array(0));
  });

  it('replace what is no valid text by U+FFFD', () => {
    expect(tokenizer.decode([10 + 0xc3, 10 + 0x41])).toBe('\ufffdA');
    expect(tokenizer.decode(tokenizer.encode('a\ud800b'))).toBe('a\ufffdb');
  });

  it('refuse ids outside the vocabulary', () => {
    for (const id of [-1, tokenizer.vocabSize, 11.5, Number.NaN]) {
      expect(() => tokenizer.decode([20, id])).toThrow(
        expect.objectContaining({ code: 'invalid_data', param: 'tokens[1]' }),
      );
    }
    expect(() => tokenizer.tokenBytes(9999)).toThrow(expect.objectContaining({ param: 'id' }));
  });

  it('agree with tokenBytes', () => {
    const text = "Grüße, don't panic 👍";
    const parts = Array.from(tokenizer.encode(text), (id) => tokenizer.tokenBytes(id));
    expect(Buffer.concat(parts).toString()).toBe(text);
  });
});

describe('StreamDecoder', () => {
  it('holds a split emoji back until its last byte', () => {
    const decoder = trained(266, []).decoder();
    const pushed = Array.from(Buffer.from('a👍b'), (byte) => decoder.push(10 + byte));
    expect(pushed).toEqual(['a', '', '', '', '👍', 'b']);
    expect(decoder.flush()).toBe('');
  });

  it('ends an incomplete character with U+FFFD, and can start again', () => {
    const decoder = tokenizer.decoder();
    expect(decoder.push(10 + 0xf0)).toBe('');
    expect(decoder.push(10 + 0x9f)).toBe('');
    expect(decoder.flush()).toBe('\ufffd');
    expect(decoder.push(10 + 0x41)).toBe('A');
  });

  it('joins to what decode gives, for any tokens', () => {
    const tokens = randomTexts(50, 8).flatMap((text, i) => [
      i % 10,
      10 + ((i * 37) % 256),
      ...tokenizer.encode(text),
    ]);
    const decoder = tokenizer.decoder();
    expect(tokens.map((token) => decoder.push(token)).join('') + decoder.flush()).toBe(
      tokenizer.decode(tokens),
    );
  });

  it('refuses an unknown token', () => {
    expect(() => tokenizer.decoder().push(-1)).toThrow(expect.objectContaining({ param: 'token' }));
  });
});
