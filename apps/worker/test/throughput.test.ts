import { expect, test } from 'vitest';
import { Throughput } from '../src/supervisor/throughput.ts';

const at = (step: number, seconds: number, tokens?: number) => ({
  step,
  totalSteps: 100,
  at: 1_000_000 + seconds * 1000,
  values: { loss: 2, ...(tokens === undefined ? {} : { tokens }) },
});

test('nothing is known before the first step, and no speed before the second', () => {
  const throughput = new Throughput();
  expect(throughput.progress()).toBeUndefined();
  throughput.add(at(10, 0, 512));
  expect(throughput.progress()).toEqual({
    step: 10,
    total_steps: 100,
    values: { loss: 2, tokens: 512 },
    tokens_per_second: null,
    seconds_left: null,
  });
});

test('speed is what came after the first point, over the time since then', () => {
  const throughput = new Throughput();
  throughput.add(at(10, 0, 9999)); // when it began is not known
  throughput.add(at(11, 2, 500));
  throughput.add(at(15, 8, 700)); // steps may be reported seldom
  // (500 + 700) tokens in 8 s; 5 steps in 8 s, 85 to go
  expect(throughput.progress()).toMatchObject({ step: 15, tokens_per_second: 150, seconds_left: 136 });
});

test('without tokens there is still the time that is left', () => {
  const throughput = new Throughput();
  throughput.add(at(98, 0));
  throughput.add(at(99, 4));
  expect(throughput.progress()).toMatchObject({ tokens_per_second: null, seconds_left: 4 });
  throughput.add(at(100, 8));
  expect(throughput.progress()).toMatchObject({ seconds_left: 0 });
});

test('only the last fifty steps count', () => {
  const throughput = new Throughput();
  for (let step = 1; step <= 30; step++) throughput.add(at(step, step * 60, 100)); // slow: 60 s a step
  for (let step = 31; step <= 80; step++) throughput.add(at(step, 1800 + step - 30, 100)); // then 1 s
  expect(throughput.progress()).toMatchObject({ tokens_per_second: 100, seconds_left: 20 });
});
