import { expect, it } from 'vitest';
import { groupAdvantages } from '../src/stages/group-advantages.ts';

it('normalises by the mean and the population deviation of the group', () => {
  // mean 1, variance (1 + 1 + 0 + 4 + 4) / 5 = 2
  const expected = [0, 2, 1, -1, 3].map((reward) => (reward - 1) / Math.SQRT2);
  for (const [i, advantage] of groupAdvantages([0, 2, 1, -1, 3]).entries()) {
    expect(advantage).toBeCloseTo(expected[i]!, 12);
  }
  expect(groupAdvantages([1, 0, 0, 0])[0]).toBeCloseTo(0.75 / Math.sqrt(3 / 16), 12);
});

it('gives a group without variance advantages of exactly zero', () => {
  expect(groupAdvantages([0.1, 0.1, 0.1])).toEqual([0, 0, 0]);
  expect(groupAdvantages([5])).toEqual([0]);
  expect(groupAdvantages([])).toEqual([]);
});
