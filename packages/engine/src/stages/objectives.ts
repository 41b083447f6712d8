import type { Tokenizer } from '@trainyard/tokenizer';
import { shuffle } from '../random.ts';

export type Objective = 'next_word' | 'masked' | 'fill_in_the_middle';

export type Vocabulary = Pick<Tokenizer, 'vocabSize' | 'special'>;

/** What to predict from what, rows one after another. */
export interface ObjectiveBatch {
  /** [rows * length]. */
  inputs: Int32Array;
  /** Flat places in `inputs` whose output is scored, ascending; all of them where it is left out. */
  places?: Int32Array;
  /** One token per place. */
  targets: Int32Array;
}

/** Each token predicts its successor. windows [rows * (length + 1)]. */
export function nextWord(windows: Int32Array, length: number): ObjectiveBatch {
  const rows = windows.length / (length + 1);
  const inputs = new Int32Array(rows * length);
  const targets = new Int32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const start = row * (length + 1);
    inputs.set(windows.subarray(start, start + length), row * length);
    targets.set(windows.subarray(start + 1, start + length + 1), row * length);
  }
  return { inputs, targets };
}

/**
 * Predicts a share `rate` of the tokens from both sides: 80 % of them are hidden behind the mask token, 10 % replaced
 * by a random one, 10 % left (Devlin et al. 2019, BERT, section 3.1). Special tokens are neither chosen nor drawn.
 * Always the same number of tokens for a window's size, at least one, but for windows with too few that are not
 * special. windows [rows * (length + 1)]; each window's last is unused.
 */
export function masked(
  windows: Int32Array,
  length: number,
  rate: number,
  { vocabSize, special }: Vocabulary,
  uniform: () => number,
): ObjectiveBatch {
  const specials = new Set<number>(Object.values(special));
  const { inputs } = nextWord(windows, length);
  const ordinary = [...inputs.keys()].filter((i) => !specials.has(inputs[i]!));
  const count = Math.max(1, Math.round(rate * inputs.length));
  const places = Int32Array.from(shuffle(ordinary, uniform).slice(0, count)).sort();
  const targets = places.map((place) => inputs[place]!);
  for (const place of places) {
    const kind = uniform();
    if (kind < 0.8) inputs[place] = special.mask;
    else if (kind < 0.9) inputs[place] = ordinaryToken(vocabSize, specials, uniform);
  }
  return { inputs, places, targets };
}

function ordinaryToken(vocabSize: number, specials: Set<number>, uniform: () => number): number {
  for (;;) {
    const token = Math.floor(uniform() * vocabSize);
    if (!specials.has(token)) return token;
  }
}

/**
 * Next-word prediction with a share `rate` of the documents in the windows rearranged, so that a causal model learns
 * to fill in: prefix-suffix-middle, cut at two uniform places (Bavarian et al. 2022, section 3). A rearranged document
 * gives up its last tokens to the markers; the windows keep their length. windows [rows * (length + 1)].
 */
export function fillInTheMiddle(
  windows: Int32Array,
  length: number,
  rate: number,
  { special }: Vocabulary,
  uniform: () => number,
): ObjectiveBatch {
  const rearranged = windows.slice();
  for (let start = 0; start < windows.length; start += length + 1) {
    const row = rearranged.subarray(start, start + length + 1);
    for (const document of splitDocuments(row, special.endOfText))
      if (uniform() < rate) document.set(rearrange(document, special, uniform));
  }
  return nextWord(rearranged, length);
}

/** Views of the documents in a window, each with the end-of-text token that follows it. */
function splitDocuments(row: Int32Array, endOfText: number): Int32Array[] {
  const documents: Int32Array[] = [];
  for (let start = 0; start < row.length; ) {
    const found = row.indexOf(endOfText, start);
    const end = found < 0 ? row.length : found + 1;
    documents.push(row.subarray(start, end));
    start = end;
  }
  return documents;
}

/** A document and its end in the same room: three markers and the end of text, the rest content. */
function rearrange(document: Int32Array, special: Vocabulary['special'], uniform: () => number): Int32Array {
  const room = document.length - 4;
  if (room < 1) return document;
  const cuts = [Math.floor(uniform() * (room + 1)), Math.floor(uniform() * (room + 1))];
  const [first, second] = [Math.min(...cuts), Math.max(...cuts)];
  const content = document.subarray(0, room);
  const prompt = infillPrompt(content.subarray(0, first), content.subarray(second), special);
  return Int32Array.of(...prompt, ...content.subarray(first, second), special.endOfText);
}

/** What a model trained on `fillInTheMiddle` continues with the missing middle. */
export function infillPrompt(
  prefix: Int32Array,
  suffix: Int32Array,
  special: Vocabulary['special'],
): Int32Array {
  return Int32Array.of(special.fimPrefix, ...prefix, special.fimSuffix, ...suffix, special.fimMiddle);
}
