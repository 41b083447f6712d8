import type { GRADERS } from '@trainyard/contracts';

/**
 * How a decoded answer is graded against a reference without a model: the verifiable rewards of reinforcement learning
 * and the measure of question answering. `exact`: equal after normalisation; `contains`: the reference occurs as whole
 * words; `numeric`: the last number is equal; `similarity`: edit similarity, which shapes the reward where right
 * answers are too rare for a group of samples to hold one.
 */
export type Grader = (typeof GRADERS)[number];

/** Unicode NFKC, lower case, one space between words, no punctuation or space at either end. */
export function normaliseAnswer(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .replace(/^[\s\p{P}]+|[\s\p{P}]+$/gu, '');
}

// A sign counts only where no letter or digit precedes it: "10-12" holds 10 and 12.
const NUMBER =
  /(?:(?<![\p{L}\p{N}])[-+])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?/giu;

/** The last number written in `text` (thousands separators and exponents allowed), or undefined. */
export function lastNumber(text: string): number | undefined {
  const last = text.normalize('NFKC').replaceAll('\u2212', '-').match(NUMBER)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(',', ''));
}

/** Levenshtein distance in code points; O(|a| |b|) time, O(|b|) memory. */
export function editDistance(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  let previous = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (const [i, character] of left.entries()) {
    const current = [i + 1];
    for (const [j, other] of right.entries()) {
      const substituted = previous[j]! + (character === other ? 0 : 1);
      current.push(Math.min(substituted, previous[j + 1]! + 1, current[j]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}

/** 1 - distance / longer length, over normalised texts: 1 for equal, 0 for nothing in common. */
export function editSimilarity(a: string, b: string): number {
  const [left, right] = [normaliseAnswer(a), normaliseAnswer(b)];
  const longer = Math.max(Array.from(left).length, Array.from(right).length);
  return longer === 0 ? 1 : 1 - editDistance(left, right) / longer;
}

function numericallyEqual(a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b));
}

function gradeOne(grader: Grader, answer: string, reference: string): number {
  switch (grader) {
    case 'exact':
      return Number(normaliseAnswer(answer) === normaliseAnswer(reference));
    case 'contains':
      return Number(containsWords(answer, reference));
    case 'numeric':
      return Number(numericallyEqual(lastNumber(answer), lastNumber(reference)));
    case 'similarity':
      return editSimilarity(answer, reference);
  }
}

function containsWords(text: string, wanted: string): boolean {
  const words = (of: string) =>
    ` ${normaliseAnswer(of)
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()} `;
  return words(wanted).trim() !== '' && words(text).includes(words(wanted));
}

/** Grade in [0, 1] of `answer`, the best over `references`: 1 is a pass under every grader. */
export function grade(grader: Grader, answer: string, references: readonly string[]): number {
  return Math.max(0, ...references.map((reference) => gradeOne(grader, answer, reference)));
}
