import { expect, test } from 'vitest';
import { checkRecord } from '../src/record-schema.ts';
import { recordSource, SAMPLES } from '../src/samples/catalogue.ts';
import { factsOf, RELATIONS } from '../src/samples/factbook-facts.ts';
import { FACTBOOK_PHRASINGS } from '../src/samples/factbook-phrasings.ts';
import { readProfiles } from '../src/samples/factbook-profiles.ts';
import {
  factbookPreferences,
  factbookPrompts,
  factbookQuestions,
  factbookText,
} from '../src/samples/factbook-samples.ts';
import { fill } from '../src/samples/phrasing.ts';
import { WORDNET_PHRASINGS, type WordSkill, wordnetSkillPrompts } from '../src/samples/wordnet-samples.ts';
import { readSynsets } from '../src/samples/wordnet-synsets.ts';
import { ingest } from './fixtures.ts';

const facts = readProfiles().flatMap(factsOf);
const answers = (relation: string, subject: string) =>
  facts.find((fact) => fact.relation === relation && fact.subject === subject)?.answers;

test.each([
  ['capital', 'France', ['Paris']],
  ['capital', 'Ukraine', ['Kyiv', 'Kiev']],
  ['capital', 'Moldova', ['Chisinau', 'Kishinev']],
  ['capital', 'the United States', ['Washington, DC', 'Washington']],
  ['capital', 'South Africa', undefined],
  ['capital', 'Israel', undefined],
  ['region', 'France', ['Western Europe']],
  ['region', 'Cuba', ['the Caribbean', 'Caribbean']],
  ['currency', 'Algeria', ['Algerian dinars']],
  ['currency_code', 'Guam', ['USD']],
  ['internet_code', 'France', ['.fr']],
  ['dialling_code', 'Kenya', ['254']],
  ['adjective', 'Laos', ['Lao', 'Laotian']],
  ['inhabitant', 'Sweden', ['Swede']],
  ['inhabitant', 'France', undefined],
  ['language', 'Brazil', ['Portuguese']],
  ['language', 'Switzerland', undefined],
  ['independence_year', 'Ghana', ['1957']],
  ['independence_from', 'Brazil', ['Portugal']],
  ['independence_from', 'Tonga', undefined],
  ['highest_point', 'Tanzania', ['Kilimanjaro']],
])('%s of %s', (relation, subject, expected) => {
  expect(answers(relation, subject)).toEqual(expected);
});

test('answers are one to three clean words, and each relation has enough of them', () => {
  for (const { answers } of facts) {
    for (const answer of answers) expect(answer).toMatch(/^[^\s();:&<>]+( [^\s();:&<>]+){0,2}$/);
  }
  for (const relation of RELATIONS)
    expect(facts.filter((fact) => fact.relation === relation).length).toBeGreaterThan(90);
});

const fold = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z{}]+/g, ' ')
    .trim();

test('at least five phrasings train, at least two are held out, and none is in both', () => {
  for (const { train, heldOut } of [
    ...Object.values(FACTBOOK_PHRASINGS),
    ...Object.values(WORDNET_PHRASINGS),
  ]) {
    expect(train.length).toBeGreaterThanOrEqual(5);
    expect(heldOut.length).toBeGreaterThanOrEqual(2);
    expect(new Set([...train, ...heldOut].map(fold)).size).toBe(train.length + heldOut.length);
  }
});

test('held-out questions and facts never occur in training', () => {
  const asked = (options: Parameters<typeof factbookPrompts>[0]) =>
    [...factbookPrompts(options)].map(({ prompt }) => fold(prompt as string));
  const train = new Set(asked({ phrasings: 'train' }));
  const heldOut = asked({ phrasings: 'held_out' });
  expect(heldOut.filter((prompt) => train.has(prompt))).toEqual([]);
  const text = fold([...factbookText()].map((record) => record.text).join(' '));
  expect(heldOut.filter((prompt, i) => i % 20 === 0 && text.includes(prompt))).toEqual([]);
  const reinforced = asked({ phrasings: 'reinforce' });
  expect(reinforced.filter((prompt) => train.has(prompt) || heldOut.includes(prompt))).toEqual([]);
  const items = asked({ phrasings: 'train', items: 'train' });
  const others = asked({ phrasings: 'train', items: 'held_out' });
  expect(items.filter((prompt) => others.includes(prompt))).toEqual([]);
  expect(items.length + others.length).toBe(train.size);
  expect(others.length / train.size).toBeGreaterThan(0.15);
  expect(others.length / train.size).toBeLessThan(0.25);
});

test('factbook questions, preferences and text agree', () => {
  const options = { phrasings: 'held_out', relations: ['capital'] } as const;
  const [first] = factbookQuestions(options);
  expect(first?.messages).toEqual([
    { role: 'user', content: 'Tell me the capital city of Algeria.' },
    { role: 'assistant', content: 'Algiers' },
  ]);
  for (const { prompt, chosen, rejected } of factbookPreferences(options)) {
    const country = facts.find(
      (fact) =>
        fact.relation === 'capital' &&
        FACTBOOK_PHRASINGS.capital.heldOut.some((text) => fill(text, { x: fact.subject }) === prompt),
    );
    expect(country?.answers).toContain(chosen);
    expect(country?.answers).not.toContain(rejected);
  }
  const texts = [...factbookText()].map(({ text }) => text);
  expect(
    texts.some((text) => text.startsWith('The capital of France is Paris. Paris is the capital of')),
  ).toBe(true);
  expect(texts.filter((text) => /\+\+|[^\x20-\x7e€]|&\w+;| {2}/.test(text)).slice(0, 3)).toEqual([]);
});

test('glosses are taken apart', () => {
  const cat = [...readSynsets('noun').values()].find(
    ({ words }) => words[0] === 'cat' && words[1] === 'true cat',
  );
  expect(cat).toEqual({
    partOfSpeech: 'noun',
    words: ['cat', 'true cat'],
    definition: 'feline mammal usually having thick soft fur and no ability to roar: domestic cats; wildcats',
    examples: [],
    kind: 'feline',
    isInstance: false,
  });
});

const lettersOf = (prompt: string) =>
  /"(\w+)"|\b((?:\w )+\w)$/.exec(prompt)!.slice(1).join('').replaceAll(' ', '');
const SOLVE: Record<WordSkill, (letters: string) => string> = {
  first_letter: (word) => word.slice(0, 1),
  last_letter: (word) => word.slice(-1),
  spell: (word) => word.split('').join(' '),
  reverse: (word) => word.split('').reverse().join(' '),
  sort_letters: (word) => word.split('').sort().join(' '),
};

test.each(Object.keys(SOLVE) as WordSkill[])(
  '%s prompts are right, repeatable, and split by word',
  (skill) => {
    const draw = (split: 'train' | 'held_out', seed: number) => [
      ...wordnetSkillPrompts({ skill, count: 100_000, seed, split }),
    ];
    const train = draw('train', 1);
    const heldOut = draw('held_out', 2);
    for (const { prompt, reference } of [...train, ...heldOut])
      expect(reference).toBe(SOLVE[skill](lettersOf(prompt as string)));
    expect(draw('train', 1)).toEqual(train);
    expect(draw('train', 3)).not.toEqual(train);
    const words = new Set(train.map(({ prompt }) => [...lettersOf(prompt as string)].sort().join('')));
    expect(
      heldOut.filter(({ prompt }) => words.has([...lettersOf(prompt as string)].sort().join(''))),
    ).toEqual([]);
    expect(heldOut.length).toBeGreaterThan(100);
  },
);

test.each(SAMPLES.map((sample) => [sample.name, sample] as const))(
  '%s holds valid records',
  async (_, sample) => {
    let count = 0;
    for (const record of sample.records()) {
      if (++count % 50 === 1) expect(checkRecord(sample.kind, record)).toBeUndefined();
      if (count === 5000) break;
    }
    expect(count).toBeGreaterThan(200);
    expect(sample.collectedUntil).toMatch(/^20\d\d-\d\d-\d\d$/);
  },
);

test('a sample goes through ingestion', async () => {
  const sample = SAMPLES.find(({ name }) => name === 'factbook-questions-unseen')!;
  const { content } = await ingest(sample.kind, recordSource(sample.records()), {
    heldOutFraction: sample.heldOutFraction,
  });
  expect(content.train.records).toBe(0);
  expect(content.duplicates).toBe(0);
  expect(content.heldOut.records).toBe([...sample.records()].length);
});
