import { describe, expect, it } from 'vitest';
import { BpeTrainer } from '../src/index.ts';
import { generateText } from './generate-text.ts';
import { randomTexts } from './random-text.ts';

function merges(vocabSize: number, texts: readonly string[]): string[] {
  const trainer = new BpeTrainer({ vocabSize });
  for (const text of texts) trainer.add(text);
  return (trainer.train().toJson() as { model: { merges: string[] } }).model.merges;
}

/** The textbook algorithm: recount every pair before each merge. Words of ASCII, separated by line ends. */
function textbookMerges(words: readonly string[], count: number): string[] {
  const ids = new Map(Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(byte), byte]));
  let split = words.map((word) => [...word]);
  const result: string[] = [];
  while (result.length < count) {
    const counts = new Map<string, number>();
    for (const word of split) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const most = Math.max(0, ...counts.values());
    const best = [...counts]
      .filter(([, n]) => n === most)
      .map(([pair]) => pair.split(' ') as [string, string])
      .sort(([a, b], [c, d]) => ids.get(a)! - ids.get(c)! || ids.get(b)! - ids.get(d)!)[0];
    if (best === undefined) break;
    const [left, right] = best;
    ids.set(left + right, 256 + result.length);
    result.push(best.join(' '));
    split = split.map((word) => mergeIn(word, left, right));
  }
  return result;
}

function mergeIn(word: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(word[i]!);
  }
  return merged;
}

describe('BpeTrainer', () => {
  it('learns the merges worked out by hand', () => {
    // Words: hug x10, pug x5, pun x12, bun x4, hugs x5. ug 20; un 16; hug 15; pun 12; then bun 4 is below
    // pug 5 = hugs 5, of which pug (p = 122) and hugs (hug = 268) tie: the lower left id first.
    const text = [
      ['hug', 10],
      ['pug', 5],
      ['pun', 12],
      ['bun', 4],
      ['hugs', 5],
    ]
      .map(([word, count]) => `${word}\n`.repeat(Number(count)))
      .join('');
    // The line ends are words of their own: one token, no pair.
    expect(merges(400, [text])).toEqual(['u g', 'u n', 'h ug', 'p un', 'p ug', 'hug s', 'b un']);
  });

  it('merges runs of one letter from the left', () => {
    // aaaaa, pairs aa x4. After aa: [aa aa a], (aa, aa) and (aa, a) tie: the lower right id (a) first.
    expect(merges(400, ['aaaaa'])).toEqual(['a a', 'aa a', 'aa aaa']);
  });

  it('agrees with the textbook algorithm', () => {
    const words = generateText(3_000, 11).match(/[a-z]+/g)!;
    expect(merges(266 + 120, [words.join('\n')])).toEqual(textbookMerges(words, 120));
    const repetitive = randomTexts(150, 12).map((text) =>
      text.replace(/[^\w]/g, '').replace(/\w/g, (c) => 'abc'[c.charCodeAt(0) % 3]!),
    );
    const short = repetitive.map((text) => text.slice(0, 40)).filter((text) => text !== '');
    expect(merges(266 + 120, [short.join('\n')])).toEqual(textbookMerges(short, 120));
  });

  it('gives the same tokenizer for the same texts in any order', () => {
    const texts = randomTexts(300, 13);
    expect(merges(600, texts.toReversed())).toEqual(merges(600, texts));
  });

  it('ends with fewer entries where the texts have no more pairs, and reports progress', () => {
    const trainer = new BpeTrainer({ vocabSize: 1000 });
    trainer.add('ab');
    const progress: number[][] = [];
    const tokenizer = trainer.train({ onProgress: (done, total) => progress.push([done, total]) });
    expect(tokenizer.vocabSize).toBe(267);
    expect([...tokenizer.encode('ab')]).toEqual([266]);
    expect(progress).toEqual([
      [0, 734],
      [1, 1],
    ]);
  });

  it('forgets the rarest words when there is no room for more', () => {
    const trainer = new BpeTrainer({ vocabSize: 267, maxDistinctWords: 10 });
    trainer.add('zq'.concat('\n').repeat(3));
    for (let i = 0; i < 40; i++) trainer.add(`x${String.fromCharCode(97 + (i % 20))}`);
    // "zq" was seen three times; every x-word was forgotten before its second time.
    expect([...trainer.train().encode('zq')]).toEqual([266]);
  });

  it('never merges across words', () => {
    const trainer = new BpeTrainer({ vocabSize: 4000, maxWordLength: 8 });
    trainer.add("don't stop 2024 <|end|>  now\n\n".repeat(20));
    const tokenizer = trainer.train();
    const words = Array.from(tokenizer.encode("don't stop 2024 <|end|>  now\n\n"), (id) =>
      tokenizer.decode([id]),
    );
    expect(words).toEqual([
      'don',
      "'t",
      ' stop',
      ' ',
      '2',
      '0',
      '2',
      '4',
      ' <|',
      'end',
      '|>',
      ' ',
      ' now',
      '\n\n',
    ]);
    expect(Array.from(tokenizer.encode('a'.repeat(1000))).length).toBe(1000);
  });

  it('refuses options that make no tokenizer', () => {
    for (const [param, options] of [
      ['vocabSize', { vocabSize: 265 }],
      ['vocabSize', { vocabSize: 300.5 }],
      ['vocabSize', { vocabSize: 2 ** 21 }],
      ['maxWordLength', { vocabSize: 300, maxWordLength: 0 }],
      ['maxDistinctWords', { vocabSize: 300, maxDistinctWords: 0 }],
    ] as const) {
      expect(() => new BpeTrainer(options)).toThrow(
        expect.objectContaining({ code: 'invalid_config', param }),
      );
    }
  });
});
