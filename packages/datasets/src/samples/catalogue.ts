import type { DatasetKind } from '@trainyard/contracts';
import type { RecordOf } from '../record.ts';
import {
  FACTBOOK_COLLECTED_UNTIL,
  FACTBOOK_LICENCE,
  factbookPreferences,
  factbookPrompts,
  factbookQuestions,
  factbookText,
} from './factbook-samples.ts';
import {
  WORDNET_COLLECTED_UNTIL,
  WORDNET_LICENCE,
  wordnetQuestions,
  wordnetSkillPrompts,
  wordnetSkillQuestions,
  wordnetText,
} from './wordnet-samples.ts';

/** A dataset that comes with Trainyard's packages. */
export interface Sample<K extends DatasetKind = DatasetKind> {
  name: string;
  kind: K;
  description: string;
  licence: string;
  /** YYYY-MM-DD: what happened later is not in it. */
  collectedUntil: string;
  /** To ingest it with: 0 for what is wholly for training, 1 for what is wholly for evaluation. */
  heldOutFraction: number;
  /** Reads the package's files at once (a second for WordNet), then yields; the same records every time. */
  records(): Iterable<RecordOf<K>>;
}

const factbook = { licence: FACTBOOK_LICENCE, collectedUntil: FACTBOOK_COLLECTED_UNTIL };
const wordnet = { licence: WORDNET_LICENCE, collectedUntil: WORDNET_COLLECTED_UNTIL };
const training = { heldOutFraction: 0 };
const evaluation = { heldOutFraction: 1 };
const SKILL = { skill: 'sort_letters', count: 4000, seed: 1 } as const;

const sample = <K extends DatasetKind>(entry: Sample<K>): Sample<K> => entry;

/** Names ending in `-unseen` ask what the same name without it never asks: by phrasing, or (skills) by word. */
export const SAMPLES: readonly Sample[] = [
  sample({
    name: 'factbook-text',
    kind: 'text',
    description: 'The World Factbook: each country in stated facts and running text.',
    ...factbook,
    heldOutFraction: 0.05,
    records: factbookText,
  }),
  sample({
    name: 'wordnet-text',
    kind: 'text',
    description: "WordNet: every meaning of 147,000 English words and names, as a dictionary's prose.",
    ...wordnet,
    heldOutFraction: 0.02,
    records: () => wordnetText({ seed: 1 }),
  }),
  sample({
    name: 'factbook-questions',
    kind: 'chat',
    description: 'Questions on countries with answers of one to three words, in five phrasings each.',
    ...factbook,
    ...training,
    records: () => factbookQuestions({ phrasings: 'train' }),
  }),
  sample({
    name: 'factbook-questions-unseen',
    kind: 'chat',
    description: 'The same facts in two phrasings that factbook-questions does not have.',
    ...factbook,
    ...evaluation,
    records: () => factbookQuestions({ phrasings: 'held_out' }),
  }),
  sample({
    name: 'factbook-prompts',
    kind: 'prompts',
    description: 'Questions on countries with all accepted answers, four in five of the facts.',
    ...factbook,
    ...training,
    records: () => factbookPrompts({ phrasings: 'reinforce', items: 'train' }),
  }),
  sample({
    name: 'factbook-prompts-unseen',
    kind: 'prompts',
    description: 'The other fifth of the facts, in other phrasings.',
    ...factbook,
    ...evaluation,
    records: () => factbookPrompts({ phrasings: 'held_out', items: 'held_out' }),
  }),
  sample({
    name: 'factbook-preferences',
    kind: 'preference',
    description: "Questions on countries with the right answer, and another country's as the rejected one.",
    ...factbook,
    heldOutFraction: 0.1,
    records: () => factbookPreferences({ phrasings: 'train' }),
  }),
  sample({
    name: 'wordnet-definitions',
    kind: 'chat',
    description: 'Questions on the meaning of common nouns, answered with a definition.',
    ...wordnet,
    heldOutFraction: 0.05,
    records: () => wordnetQuestions({ relation: 'definition', phrasings: 'train' }),
  }),
  sample({
    name: 'wordnet-kinds',
    kind: 'chat',
    description: 'Questions on what kind of thing a common noun is, with answers of one to three words.',
    ...wordnet,
    heldOutFraction: 0.05,
    records: () => wordnetQuestions({ relation: 'kind', phrasings: 'train' }),
  }),
  sample({
    name: 'letters-questions',
    kind: 'chat',
    description: 'Letters of common words to put in order, with the answers.',
    ...wordnet,
    ...training,
    records: () => wordnetSkillQuestions({ ...SKILL, split: 'train' }),
  }),
  sample({
    name: 'letters-prompts',
    kind: 'prompts',
    description: 'The same as prompts for reinforcement learning: each has exactly one right answer.',
    ...wordnet,
    ...training,
    records: () => wordnetSkillPrompts({ ...SKILL, split: 'train' }),
  }),
  sample({
    name: 'letters-prompts-unseen',
    kind: 'prompts',
    description: 'Letters to put in order of words that letters-prompts does not have.',
    ...wordnet,
    ...evaluation,
    records: () => wordnetSkillPrompts({ ...SKILL, split: 'held_out' }),
  }),
];

const CHUNK_RECORDS = 256;

/** Records as JSON Lines in chunks: what `ingestDataset` and an upload take. */
export async function* recordSource(records: Iterable<object>): AsyncGenerator<Uint8Array> {
  let lines = '';
  let count = 0;
  for (const record of records) {
    lines += `${JSON.stringify(record)}\n`;
    if (++count % CHUNK_RECORDS > 0) continue;
    yield Buffer.from(lines);
    lines = '';
  }
  yield Buffer.from(lines);
}
