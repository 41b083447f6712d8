import { hash } from '../permutation.ts';
import { fill, sentenceCase } from './phrasing.ts';
import type { PartOfSpeech, Synset } from './wordnet-synsets.ts';

/** `{w}` the word, `{d}` its definition. */
const SHAPES: Record<PartOfSpeech, readonly string[]> = {
  noun: ['{w}: {d}.', 'The noun "{w}" means {d}.', '"{w}" means {d}.', 'By {w} we mean {d}.'],
  verb: ['To {w} means to {d}.', 'To {w} is to {d}.', 'The verb "{w}" means to {d}.'],
  adjective: ['The adjective "{w}" means {d}.', '"{w}" means {d}.', '{w}: {d}.'],
  adverb: ['The adverb "{w}" means {d}.', '"{w}" means {d}.', '{w}: {d}.'],
};
const SYNONYM = ['{w} is also called {s}.', 'Another word for {w} is {s}.'];
const EXAMPLE = ['For example: {e}', 'Example: {e}', 'It is used like this: {e}'];

/** A synset as a few sentences, whose shapes `seed` chooses. */
export function synsetProse(synset: Synset, seed: number): string {
  const { words, definition, examples, kind, partOfSpeech, isInstance } = synset;
  const pick = <T>(list: readonly T[], use: number): T => list[hash(seed, use) % list.length]!;
  const isCounted = !isInstance && partOfSpeech === 'noun' && /^(a|an|any|one) /.test(definition);
  const word = isCounted ? withArticle(words[0]!) : words[0]!;
  const sentences: string[] = [];
  if ((isCounted || (isInstance && /^(a|an|the) /.test(definition))) && hash(seed, 0) % 2 === 0)
    sentences.push(`${sentenceCase(word)} is ${definition}.`);
  else
    sentences.push(
      fill(pick(SHAPES[partOfSpeech], 1), { w: words[0]!, d: definition.replace(/^to (?=\w)/, '') }),
    );
  if (kind && !isInstance && kind !== words[0]) sentences.push(`${sentenceCase(word)} is a kind of ${kind}.`);
  if (words.length > 1) {
    const quote = partOfSpeech === 'noun' ? '' : '"';
    const [w, s] = [word, isCounted ? withArticle(words[1]!) : words[1]!].map((x) => quote + x + quote);
    sentences.push(fill(pick(SYNONYM, 2), { w: w!, s: s! }));
  }
  for (const example of examples) sentences.push(fill(pick(EXAMPLE, 3), { e: ended(example) }));
  return sentences.join(' ');
}

const withArticle = (word: string): string => `${/^[aeiou]/i.test(word) ? 'an' : 'a'} ${word}`;

const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
