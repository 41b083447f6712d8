/** mulberry32: uniform numbers in [0, 1) from a 32-bit seed. */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ONSETS = [
  '',
  'b',
  'c',
  'd',
  'f',
  'g',
  'h',
  'l',
  'm',
  'n',
  'p',
  'r',
  's',
  't',
  'w',
  'st',
  'th',
  'tr',
  'pl',
];
const VOWELS = ['a', 'e', 'i', 'o', 'u', 'ea', 'ou'];
const CODAS = ['', '', 'n', 'r', 's', 't', 'd', 'ng', 'nt', 'll'];
const DISTINCT_WORDS = 60_000;

/** Sentences of invented words whose frequencies follow Zipf's law, about `bytes` long. */
export function generateText(bytes: number, seed: number): string {
  const random = uniform(seed);
  const pick = (list: readonly string[]) => list[Math.floor(random() * list.length)]!;
  const words = Array.from({ length: DISTINCT_WORDS }, () => {
    const syllables = 1 + Math.floor(random() * 4);
    return Array.from({ length: syllables }, () => pick(ONSETS) + pick(VOWELS) + pick(CODAS)).join('');
  });
  const parts: string[] = [];
  for (let length = 0; length < bytes; ) {
    // Uniform in log rank: the density of rank r is proportional to 1 / r.
    const word = words[Math.floor(DISTINCT_WORDS ** random()) - 1]!;
    const end = random() < 0.08 ? '.\n' : random() < 0.08 ? ', ' : ' ';
    parts.push(word, end);
    length += word.length + end.length;
  }
  return parts.join('');
}
