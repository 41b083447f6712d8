import { describe, expect, it } from 'vitest';
import { learningRate, type Schedule } from '../src/optim/schedule.ts';

const rates = (schedule: Schedule['schedule'], steps: number, warmupSteps: number) =>
  Array.from({ length: steps }, (_, step) =>
    Number(
      learningRate(
        { schedule, learningRate: 1, warmupSteps, minLearningRateRatio: 0.1 },
        step,
        steps,
      ).toFixed(4),
    ),
  );

describe('learning rate', () => {
  it('stays at the peak after the warm-up', () => {
    expect(rates('constant', 5, 2)).toEqual([0.5, 1, 1, 1, 1]);
  });
  it('falls along half a cosine to the floor', () => {
    // 0.1 + 0.9 * (1 + cos(pi * k / 4)) / 2
    expect(rates('cosine', 6, 2)).toEqual([0.5, 1, 0.8682, 0.55, 0.2318, 0.1]);
  });
  it('is stable, then falls over the last fifth', () => {
    expect(rates('warmup_stable_decay', 10, 1)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0.55, 0.1]);
  });
  it('survives a warm-up as long as the run', () => {
    expect(rates('cosine', 3, 5)).toEqual([0.2, 0.4, 0.6]);
  });
});
