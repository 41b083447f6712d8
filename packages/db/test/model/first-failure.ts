import fc from 'fast-check';
import { CODES } from './actions.ts';
import type { Decisions } from './decisions.ts';
import { play, type Schedule } from './play.ts';

const schedules: fc.Arbitrary<Schedule> = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  codes: fc.noBias(
    fc.array(fc.integer({ min: 0, max: CODES - 1 }), { minLength: 20, maxLength: 60, size: 'max' }),
  ),
  deadly: fc.boolean(),
});

/**
 * Plays random schedules until one fails. Undefined if none does; else what was violated, how to see it again, and its
 * schedule shrunk to what it takes. Adds to `counts` how often each thing of note happened.
 */
export function firstFailure(
  runs: number,
  seed: number,
  decisions: Decisions,
  counts: Record<string, number> = {},
): string | undefined {
  const property = fc.property(schedules, (schedule) => void play(schedule, decisions, counts));
  const { failed, counterexample, numRuns } = fc.check(property, { numRuns: runs, seed });
  if (!failed) return undefined;
  const [schedule] = counterexample!;
  const story: string[] = [];
  let violation: unknown;
  try {
    play(schedule, decisions, {}, (what) => story.push(`  ${what}`));
  } catch (error) {
    violation = error;
  }
  return [
    `${violation}`,
    `in schedule ${numRuns} of seed ${seed}; shrunk, with max_attempts ${schedule.maxAttempts}, it is:`,
    ...story,
  ].join('\n');
}
