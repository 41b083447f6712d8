import { uniform } from './generate-text.ts';

const PIECES = [
  'don',
  "'t",
  "'LL",
  ' ',
  '  ',
  '\t',
  '\r\n',
  '\n\n',
  '\u0085',
  '\ufeff',
  '\u00a0',
  '\u200d',
  '\0',
  '42',
  '٣',
  '½',
];
const SCRIPTS = [
  'été',
  'e\u0301',
  'नमस्ते',
  'สวัสดี',
  '你好',
  '한국어',
  '👨‍👩‍👧',
  '🇩🇪',
  '𝒳',
  '\u{10ffff}',
  '<|end|>',
  '<|',
  '__proto__',
  '!?',
];

/** Well-formed strings: pieces that sit on the edges of words and encodings, and any code points at all. */
export function randomTexts(count: number, seed: number): string[] {
  const random = uniform(seed);
  const below = (n: number) => Math.floor(random() * n);
  const pieces = [...PIECES, ...SCRIPTS, 'x'.repeat(150), ' '.repeat(150), '!'.repeat(150)];
  const codePoint = () => {
    const value = below(random() < 0.5 ? 0x800 : 0x110000);
    return String.fromCodePoint(value >= 0xd800 && value < 0xe000 ? 0xfffd : value);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: below(15) }, () =>
      random() < 0.6 ? pieces[below(pieces.length)]! : codePoint(),
    ).join(''),
  );
}
