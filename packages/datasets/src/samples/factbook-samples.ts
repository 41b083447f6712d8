import { hash } from '../permutation.ts';
import type { ChatRecord, PreferenceRecord, PromptsRecord, TextRecord } from '../record.ts';
import { answered } from './answered.ts';
import { type Fact, factsOf, RELATIONS, type Relation } from './factbook-facts.ts';
import { FACTBOOK_PHRASINGS } from './factbook-phrasings.ts';
import { type Profile, readProfiles } from './factbook-profiles.ts';
import { fill, type PhrasingSplit, phrasingsOf, sentenceCase } from './phrasing.ts';

/** The package's profiles carry figures of "2015 est." and name no event after December 2015 as past. */
export const FACTBOOK_COLLECTED_UNTIL = '2015-12-31';
export const FACTBOOK_LICENCE = 'Public domain (The World Factbook, US Central Intelligence Agency)';

/** Running text: a title, and the path of labels to it. */
const ARTICLES: readonly [title: string, ...path: string[]][] = [
  ['history', 'Introduction', 'Background'],
  ['economy', 'Economy', 'Economy - overview'],
  ['location', 'Geography', 'Location'],
  ['climate', 'Geography', 'Climate'],
  ['terrain', 'Geography', 'Terrain'],
  ['natural resources', 'Geography', 'Natural resources'],
  ['natural hazards', 'Geography', 'Natural hazards'],
  ['flag', 'Government', 'Flag description'],
  ['government', 'Government', 'Government type'],
  ['languages', 'People and Society', 'Languages'],
  ['religions', 'People and Society', 'Religions'],
  ['agriculture', 'Economy', 'Agriculture - products'],
  ['industries', 'Economy', 'Industries'],
];

/**
 * For each country a document with all its short facts, each stated in every one of its statements' phrasings, and one
 * for each article of running text.
 */
export function* factbookText(): Generator<TextRecord> {
  for (const profile of readProfiles()) {
    const statements = factsOf(profile).flatMap(({ relation, subject, answers }) =>
      FACTBOOK_PHRASINGS[relation].statements.map((text) => fill(text, { x: subject, y: answers[0]! })),
    );
    if (statements.length > 0) yield { text: statements.join(' ') };
    yield* articles(profile);
  }
}

function* articles({ name, text }: Profile): Generator<TextRecord> {
  for (const [title, ...path] of ARTICLES) {
    const article = text(...path);
    if (!article) continue;
    const isProse = title === 'history' || title === 'economy';
    const lead = isProse ? `${sentenceCase(name)}, ${title}.` : `The ${title} of ${name}:`;
    yield { text: `${lead} ${article}${/[.!?]$/.test(article) ? '' : '.'}` };
  }
}

export interface FactOptions {
  phrasings: PhrasingSplit | 'reinforce';
  /** Only the first so many phrasings of each relation; default all. */
  phrasingsEach?: number;
  /** Default all. */
  relations?: readonly Relation[];
  /** Which facts: one in five of each relation is held out, the same ones always. Default 'all'. */
  items?: 'train' | 'held_out' | 'all';
}

/** Every chosen fact in every chosen phrasing, with all its accepted answers as `reference`. */
export function* factbookPrompts(options: FactOptions): Generator<PromptsRecord> {
  for (const fact of chosenFacts(options)) {
    const reference = fact.answers.length === 1 ? fact.answers[0]! : fact.answers;
    for (const prompt of questionsOf(fact, options)) yield { prompt, reference };
  }
}

/** The same questions with their usual answers. */
export function* factbookQuestions(options: FactOptions): Generator<ChatRecord> {
  for (const record of factbookPrompts(options)) yield answered(record);
}

/** The same questions with a right answer, and a wrong one: another country's. */
export function* factbookPreferences(options: FactOptions): Generator<PreferenceRecord> {
  const facts = chosenFacts(options);
  for (const [i, fact] of facts.entries()) {
    const others = facts
      .filter(({ relation }) => relation === fact.relation)
      .map(({ answers }) => answers[0]!)
      .filter((answer) => !fact.answers.includes(answer));
    if (others.length === 0) continue;
    for (const [j, prompt] of questionsOf(fact, options).entries()) {
      yield { prompt, chosen: fact.answers[0]!, rejected: others[hash(i, j) % others.length]! };
    }
  }
}

function chosenFacts({ relations = RELATIONS, items = 'all' }: FactOptions): Fact[] {
  return readProfiles()
    .flatMap(factsOf)
    .filter((fact) => relations.includes(fact.relation))
    .filter((fact) => items === 'all' || isHeldOut(fact) === (items === 'held_out'));
}

function questionsOf(
  { relation, subject }: Fact,
  { phrasings: split, phrasingsEach }: FactOptions,
): string[] {
  const phrasings = FACTBOOK_PHRASINGS[relation];
  const chosen = split === 'reinforce' ? phrasings.reinforce : phrasingsOf(phrasings, split);
  return chosen.slice(0, phrasingsEach).map((text) => fill(text, { x: subject }));
}

const isHeldOut = ({ relation, subject }: Fact): boolean =>
  hash(...Array.from(relation + subject, (letter) => letter.charCodeAt(0))) % 5 === 0;
