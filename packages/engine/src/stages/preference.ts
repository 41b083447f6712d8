import { TrainyardError } from '@trainyard/contracts';
import { type ChatExample, validateChatExamples } from './chat-batch.ts';

/** Two answers to one prompt, as whole conversations; `lossMask` marks the answer. */
export interface Preference {
  chosen: ChatExample;
  rejected: ChatExample;
}

/** Chosen answers first, then the rejected ones in the same order: one batch for both. */
export function bothSides(pairs: readonly Preference[]): ChatExample[] {
  return [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)];
}

/**
 * Throws invalid_data as validateChatExamples does (numbered by pair), for pairs whose answers are the same too.
 */
export function validatePreferences(pairs: readonly Preference[], contextLength: number): void {
  validateChatExamples(
    pairs.map(({ chosen }) => chosen),
    contextLength,
  );
  validateChatExamples(
    pairs.map(({ rejected }) => rejected),
    contextLength,
  );
  const same = pairs.findIndex(
    ({ chosen, rejected }) => Buffer.compare(bytes(chosen), bytes(rejected)) === 0,
  );
  if (same >= 0) {
    throw new TrainyardError(
      'invalid_data',
      `Pair ${same + 1} prefers an answer to itself: remove it, or correct one of its answers.`,
      { details: [{ message: 'Both answers are the same.', line: same + 1 }] },
    );
  }
}

function bytes({ tokens }: ChatExample): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}
