import { hash, permute } from '../permutation.ts';
import type { ChatRecord, PromptsRecord, TextRecord } from '../record.ts';
import { answered } from './answered.ts';
import { fill, type PhrasingSplit, type Phrasings, phrasingsOf } from './phrasing.ts';
import { synsetProse } from './wordnet-prose.ts';
import { commonWords, type PartOfSpeech, readSynsets } from './wordnet-synsets.ts';

/** Data file of the package: "WordNet 3.1 Copyright 2011 by Princeton University". The package names no day. */
export const WORDNET_COLLECTED_UNTIL = '2011-12-31';
export const WORDNET_LICENCE =
  'WordNet 3.1 licence, Copyright 2011 by Princeton University: use, copy, modify and distribute with this notice.';

const PARTS: readonly PartOfSpeech[] = ['noun', 'verb', 'adjective', 'adverb'];

/** Every meaning in WordNet as a short document of plain prose, in an order that `seed` shuffles. */
export function* wordnetText(options: { seed: number }): Generator<TextRecord> {
  const synsets = PARTS.flatMap((part) => [...readSynsets(part).values()]);
  for (let i = 0; i < synsets.length; i++) {
    const at = permute(i, synsets.length, options.seed);
    yield { text: synsetProse(synsets[at]!, hash(options.seed, at)) };
  }
}

/** The phrasings of wordnetQuestions: fixed, so that the held-out ones test what training never showed. */
export const WORDNET_PHRASINGS: Record<'definition' | 'kind', Phrasings> = {
  definition: {
    train: [
      'What does "{x}" mean?',
      'Define "{x}".',
      'What is the meaning of "{x}"?',
      'Explain the word "{x}".',
      'Give a definition of "{x}".',
    ],
    heldOut: ['Tell me what "{x}" means.', 'How would you define "{x}"?'],
  },
  kind: {
    train: [
      'What kind of thing is "{x}"?',
      '"{x}" is a kind of what?',
      'Name the class of things that "{x}" belongs to.',
      'What is "{x}" a kind of?',
      'Which more general word covers "{x}"?',
    ],
    heldOut: ['What sort of thing is "{x}"?', 'Give a broader term for "{x}".'],
  },
};

/**
 * Questions on the most frequent meaning of common nouns: its definition up to the first semicolon, or its kind
 * (answers of one to three words). One phrasing, by the word, for each question.
 */
export function* wordnetQuestions(options: {
  relation: keyof typeof WORDNET_PHRASINGS;
  phrasings: PhrasingSplit;
}): Generator<ChatRecord> {
  const phrasings = phrasingsOf(WORDNET_PHRASINGS[options.relation], options.phrasings);
  const synsets = readSynsets('noun');
  for (const [i, { word, synset }] of commonWords('noun').entries()) {
    const meaning = synsets.get(synset);
    const answer = options.relation === 'kind' ? meaning?.kind : meaning?.definition.replace(/ ?;.*/, '');
    if (!answer || word.length < 3 || (options.relation === 'kind' && answer.split(' ').length > 3)) continue;
    yield answered({ prompt: fill(phrasings[hash(i) % phrasings.length]!, { x: word }), reference: answer });
  }
}

export type WordSkill = keyof typeof SKILLS;

/** Things to do with the letters of a word; phrasings fixed as above. */
const SKILLS = {
  first_letter: {
    train: [
      'What is the first letter of "{x}"?',
      'Which letter does "{x}" begin with?',
      'First letter of "{x}"?',
    ],
    heldOut: ['Which letter starts the word "{x}"?'],
    answer: (word: string) => word[0]!,
  },
  last_letter: {
    train: [
      'What is the last letter of "{x}"?',
      'Which letter does "{x}" end with?',
      'Last letter of "{x}"?',
    ],
    heldOut: ['Which letter ends the word "{x}"?'],
    answer: (word: string) => word.at(-1)!,
  },
  spell: {
    train: ['Spell "{x}".', 'Spell the word "{x}".', 'How is "{x}" spelt?'],
    heldOut: ['Write "{x}" letter by letter.'],
    answer: (word: string) => [...word].join(' '),
  },
  reverse: {
    train: ['Spell "{x}" backwards.', 'Write "{x}" backwards.', 'What is "{x}" in reverse?'],
    heldOut: ['Reverse the letters of "{x}".'],
    answer: (word: string) => [...word].reverse().join(' '),
  },
  sort_letters: {
    train: ['Sort these letters: {x}', 'Put these letters in order: {x}', 'Sort {x}'],
    heldOut: ['Arrange these letters alphabetically: {x}'],
    answer: (word: string) => [...word].sort().join(' '),
  },
} as const;

export interface SkillOptions {
  skill: WordSkill;
  /** Prompts, fewer where there are fewer words. */
  count: number;
  seed: number;
  /** Words of the two splits are disjoint whatever the seed: one in ten is held out. */
  split: 'train' | 'held_out';
  /** Default 'train'. */
  phrasings?: PhrasingSplit;
  /** Letters in a word, default 3 to 5. */
  lengths?: readonly [shortest: number, longest: number];
}

/** Prompts with one right answer each, about the letters of common words: a reward that a rule can give exactly. */
export function* wordnetSkillPrompts(options: SkillOptions): Generator<PromptsRecord> {
  const { skill, seed, lengths = [3, 5] } = options;
  const { answer, ...phrasings } = SKILLS[skill];
  const templates = phrasingsOf(phrasings, options.phrasings ?? 'train');
  const words = skillWords().filter(
    (word) =>
      word.length >= lengths[0] &&
      word.length <= lengths[1] &&
      isHeldOut(word) === (options.split === 'held_out'),
  );
  for (let i = 0; i < Math.min(options.count, words.length); i++) {
    const word = words[permute(i, words.length, seed)]!;
    const x = skill === 'sort_letters' ? shuffled(word, seed).join(' ') : word;
    yield { prompt: fill(templates[hash(seed, i) % templates.length]!, { x }), reference: answer(word) };
  }
}

/** The same with their answers, for teaching a skill before it is reinforced. */
export function* wordnetSkillQuestions(options: SkillOptions): Generator<ChatRecord> {
  for (const record of wordnetSkillPrompts(options)) yield answered(record);
}

/** Words that are no anagrams of each other, so that a sorting question is in one split only. */
function skillWords(): string[] {
  if (knownSkillWords) return knownSkillWords;
  const byLetters = new Map<string, string>();
  for (const { word } of PARTS.flatMap(commonWords)) {
    const letters = [...word].sort().join('');
    if (!byLetters.has(letters)) byLetters.set(letters, word);
  }
  knownSkillWords = [...byLetters.values()];
  return knownSkillWords;
}

/** Kept, since it is short and takes half a second to read. */
let knownSkillWords: string[] | undefined;

const codes = (word: string): number[] => [...word].map((letter) => letter.charCodeAt(0));
const isHeldOut = (word: string): boolean => hash(...codes(word)) % 10 === 0;

function shuffled(word: string, seed: number): string[] {
  const key = hash(seed, ...codes(word));
  return Array.from(word, (_, i) => word[permute(i, word.length, key)]!);
}
