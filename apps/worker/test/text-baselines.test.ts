import { expect, test } from 'vitest';
import { ByteBigram, gzipBitsPerByte } from '../src/trainer/text-baselines.ts';

test('an uncounted bigram gives every byte eight bits', () => {
  expect(new ByteBigram().bitsPerByte(['abc', 'dé'])).toBeCloseTo(8, 12);
});

test('bigram bits by hand, with one added to every pair', () => {
  const bigram = new ByteBigram();
  bigram.add('aab'); // pairs: start-a, a-a, a-b
  bigram.add('a'); // pair: start-a
  // start-a: (2 + 1) / (2 + 256); a-a and a-b: (1 + 1) / (2 + 256); a-c: 1 / 258; c-c: 1 / 256
  expect(bigram.bitsPerByte(['a'])).toBeCloseTo(-Math.log2(3 / 258), 12);
  expect(bigram.bitsPerByte(['aab'])).toBeCloseTo(-Math.log2((3 * 2 * 2) / 258 ** 3) / 3, 12);
  expect(bigram.bitsPerByte(['ac', 'acc'])).toBeCloseTo(
    (-2 * Math.log2(3 / 258 / 258) + Math.log2(256)) / 5,
    12,
  );
});

test('a character of several bytes counts as its bytes', () => {
  const bigram = new ByteBigram();
  bigram.add('é'); // C3 A9
  // start-C3: 2 / 257; C3-A9: 2 / 257
  expect(bigram.bitsPerByte(['é'])).toBeCloseTo(-Math.log2(2 / 257), 12);
});

test('gzip bits count the whole file, its header included', () => {
  // 18 bytes of header and trailer; deflate's fixed code needs 3 + 8 + 7 bits for one letter and the end: 3 bytes
  expect(gzipBitsPerByte(['a'])).toBe((18 + 3) * 8);
  const documents = Array.from({ length: 100 }, () => 'the same line of text again');
  expect(gzipBitsPerByte(documents)).toBeLessThan(0.4);
  expect(gzipBitsPerByte(documents)).toBe(gzipBitsPerByte([documents.join('\n')]));
});
