import { expect, test } from 'vitest';
import { BROKEN, broken } from './model/broken-decisions.ts';
import { PRODUCT } from './model/decisions.ts';
import { firstFailure } from './model/first-failure.ts';
import { play } from './model/play.ts';

// A failure names its seed, and MODEL_SEED=<that> repeats it.
const SEED = Number(process.env.MODEL_SEED ?? 20261125);
const RUNS = Number(process.env.MODEL_RUNS ?? 200_000);
const PARTS = 10;

/** What schedules must have met to be worth anything. */
const MET = [
  'claim after another',
  'stale delivery',
  'take-over',
  'quarantine',
  'damage',
  ...['heartbeat', 'start', 'metrics', 'checkpoint', 'damage', 'end'].map((write) => `fenced ${write}`),
  ...['succeeded', 'failed', 'crashed', 'blocked', 'handed_back'].flatMap((outcome) =>
    ['running', 'pausing', 'cancelling'].map((state) => `${outcome} while ${state}`),
  ),
  'paused while pausing',
  'paused while running',
  'paused while cancelling',
  'cancelled while cancelling',
  ...['pause: pausing', 'pause: paused', 'resume: running', 'resume: queued'],
  ...['cancel: cancelling', 'cancel: cancelled', 'retry: queued'],
];

const counts: Record<string, number> = {};

// In parts, since the runner wants to hear from a test once in a while.
test.each(Array.from({ length: PARTS }, (_, part) => SEED + part))(
  `${RUNS / PARTS} schedules of faults break nothing (seed %i)`,
  (seed) => expect(firstFailure(RUNS / PARTS, seed, PRODUCT, counts)).toBeUndefined(),
  600_000,
);

test('the schedules met all that they are there for', () => {
  expect(RUNS < 100_000 ? [] : MET.filter((what) => !counts[what])).toEqual([]);
});

test.each([1, 2, 3, 10])('%i deaths without progress, and no fewer, end a run', (maxAttempts) => {
  const { postgres } = play({ maxAttempts, codes: [], deadly: true }, PRODUCT);
  for (const run of postgres.runs)
    expect(run).toMatchObject({ state: 'failed', attempts: maxAttempts, barrenAttempts: maxAttempts });
});

test('without faults each run succeeds in its first attempt', () => {
  const { postgres } = play({ maxAttempts: 1, codes: [], deadly: false }, PRODUCT);
  for (const run of postgres.runs) expect(run).toMatchObject({ state: 'succeeded', attempts: 1 });
});

test.each(BROKEN)('the model finds %s', (_what, change, violation) => {
  const found = firstFailure(30_000, SEED, broken(change));
  expect(found).toMatch(violation);
  expect(firstFailure(30_000, SEED, broken(change))).toBe(found); // a seed repeats its failure
});
