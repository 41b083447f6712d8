import type { Relation } from './factbook-facts.ts';
import type { Phrasings } from './phrasing.ts';

/** How a relation is asked for, and how running text states it; `{x}` is the country, `{y}` the answer. */
export interface RelationPhrasings extends Phrasings {
  statements: readonly string[];
  reinforce: readonly string[];
}

/**
 * The split of phrasings, fixed here: fine-tuning only ever sees `train`, reinforcement learning only `reinforce` (what
 * was learnt by heart would teach it nothing), and `heldOut` serves to measure whether a model answers questions rather
 * than strings. Statements are for pre-training text.
 */
export const FACTBOOK_PHRASINGS: Record<Relation, RelationPhrasings> = {
  capital: {
    statements: ['The capital of {x} is {y}.', '{y} is the capital of {x}.', "{x}'s capital city is {y}."],
    train: [
      'What is the capital of {x}?',
      'Which city is the capital of {x}?',
      'Name the capital of {x}.',
      "What is {x}'s capital?",
      'The capital of {x} is which city?',
      'Do you know the capital of {x}?',
      'Which capital does {x} have?',
      '{x}: what is its capital?',
      'Say which city is the capital of {x}.',
    ],
    reinforce: [
      'Give me the capital of {x}.',
      'What is the name of the capital of {x}?',
      '{x} has which capital?',
    ],
    heldOut: ['Tell me the capital city of {x}.', 'What city serves as the capital of {x}?'],
  },
  region: {
    statements: ['{x} is in {y}.', '{x} lies in {y}.', 'In {y} there is {x}.'],
    train: [
      'Where is {x}?',
      'In which part of the world is {x}?',
      'Which region is {x} in?',
      'Where does {x} lie?',
      'Name the region of {x}.',
    ],
    reinforce: ['Give me the region of {x}.', 'What part of the world is {x} in?', '{x} is in which region?'],
    heldOut: ['In what region of the world can {x} be found?', 'Tell me where {x} is located.'],
  },
  currency: {
    statements: ['People in {x} pay in {y}.', 'The currency of {x} is {y}.', 'Money in {x}: {y}.'],
    train: [
      'What is the currency of {x}?',
      'What do people pay with in {x}?',
      'Which currency does {x} use?',
      'Name the currency of {x}.',
      "What is {x}'s currency?",
    ],
    reinforce: [
      'Give me the currency of {x}.',
      'What is the name of the currency of {x}?',
      '{x} has which currency?',
    ],
    heldOut: ['What money is used in {x}?', 'Tell me the currency of {x}.'],
  },
  currency_code: {
    statements: ['The currency code of {x} is {y}.', '{y} is the currency code of {x}.'],
    train: [
      'What is the currency code of {x}?',
      'Which currency code does {x} have?',
      'Name the currency code of {x}.',
      "What is {x}'s currency code?",
      'Currency code of {x}?',
    ],
    reinforce: [
      'Say the currency code of {x}.',
      '{x} has which currency code?',
      'What code does the currency of {x} have?',
    ],
    heldOut: ['By what code is the currency of {x} known?', 'Give me the currency code of {x}.'],
  },
  internet_code: {
    statements: ['The internet code of {x} is {y}.', 'Web addresses in {x} end in {y}.'],
    train: [
      'What is the internet code of {x}?',
      'What do web addresses in {x} end in?',
      'Name the internet code of {x}.',
      "What is {x}'s internet code?",
      'Which internet code does {x} have?',
    ],
    reinforce: [
      'Give me the internet code of {x}.',
      '{x} has which internet code?',
      'Which ending do web addresses in {x} have?',
    ],
    heldOut: ['What is the internet suffix of {x}?', 'Tell me the internet code of {x}.'],
  },
  dialling_code: {
    statements: ['The telephone code of {x} is {y}.', 'To call {x}, dial {y} first.'],
    train: [
      'What is the telephone code of {x}?',
      'Which telephone code does {x} have?',
      'Name the telephone code of {x}.',
      "What is {x}'s telephone code?",
      'Which number must I dial first to call {x}?',
    ],
    reinforce: [
      'Give me the telephone code of {x}.',
      '{x} has which telephone code?',
      'What number do I dial first to call {x}?',
    ],
    heldOut: ['What is the dialling code for {x}?', 'Tell me the telephone code of {x}.'],
  },
  adjective: {
    statements: ['Things from {x} are called {y}.', 'The adjective for {x} is {y}.'],
    train: [
      'What is the adjective for {x}?',
      'What are things from {x} called?',
      'Which adjective belongs to {x}?',
      'Name the adjective for {x}.',
      'How do we describe something from {x}?',
    ],
    reinforce: [
      'Give me the adjective for {x}.',
      '{x} has which adjective?',
      'What do we call things from {x}?',
      'Which word describes things from {x}?',
      'What word stands for what comes from {x}?',
      'Say the adjective for {x}.',
    ],
    heldOut: ['Which word describes what comes from {x}?', 'Tell me the adjective for {x}.'],
  },
  inhabitant: {
    statements: ['Somebody from {x} is called: {y}.', 'The word for a person from {x} is {y}.'],
    train: [
      'What do you call somebody from {x}?',
      'What is a person from {x} called?',
      'Name the word for a person from {x}.',
      'What is the word for somebody from {x}?',
      'How do we call an inhabitant of {x}?',
    ],
    reinforce: [
      'Give me the word for a person from {x}.',
      'How do you call a person from {x}?',
      'Somebody from {x} is called what?',
    ],
    heldOut: ['A person who lives in {x} is called what?', 'Tell me the word for somebody from {x}.'],
  },
  language: {
    statements: ['The official language of {x} is {y}.', '{y} is the official language of {x}.'],
    train: [
      'What is the official language of {x}?',
      'Which language is official in {x}?',
      'Name the official language of {x}.',
      "What is {x}'s official language?",
      'The official language of {x} is which one?',
    ],
    reinforce: [
      'Give me the official language of {x}.',
      'What is the name of the official language of {x}?',
      '{x} has which official language?',
    ],
    heldOut: ['What language does the state of {x} use?', 'Tell me the official language of {x}.'],
  },
  independence_year: {
    statements: ['{x} became independent in {y}.', 'The independence of {x} dates from {y}.'],
    train: [
      'When did {x} become independent?',
      'In which year did {x} become independent?',
      'What is the year of independence of {x}?',
      'Since when has {x} been independent?',
      'Name the year in which {x} became independent.',
    ],
    reinforce: [
      'Give me the year in which {x} became independent.',
      '{x} became independent in which year?',
      'What year did {x} become independent?',
    ],
    heldOut: ['In what year did {x} gain its independence?', 'Tell me when {x} became independent.'],
  },
  independence_from: {
    statements: ['{x} became independent from {y}.', '{x} gained its independence from {y}.'],
    train: [
      'From whom did {x} become independent?',
      'Which state did {x} become independent from?',
      'Who ruled {x} before its independence?',
      'From which state did {x} gain its independence?',
      'Name the state that {x} became independent from.',
    ],
    reinforce: [
      'Give me the state that {x} became independent from.',
      '{x} became independent from whom?',
      'What state did {x} become independent from?',
    ],
    heldOut: ['Which power did {x} win its independence from?', 'Tell me who {x} became independent from.'],
  },
  highest_point: {
    statements: ['The highest point of {x} is {y}.', '{y} is the highest point of {x}.'],
    train: [
      'What is the highest point of {x}?',
      'Which place is the highest in {x}?',
      'Name the highest point of {x}.',
      "What is {x}'s highest point?",
      'The highest point of {x} is which place?',
    ],
    reinforce: [
      'Give me the highest point of {x}.',
      'What is the name of the highest point of {x}?',
      '{x} has which highest point?',
    ],
    heldOut: ['What is the top elevation of {x} called?', 'Tell me the highest point of {x}.'],
  },
};
