import { expect, it } from 'vitest';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../src/half-precision.ts';

const PATTERNS = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);

it.each([
  ['binary16', fromFloat16, toFloat16],
  ['bfloat16', fromBfloat16, toBfloat16],
])('every value of %s comes back as its own bits', (_, widen, narrow) => {
  const values = widen(PATTERNS);
  const bits = narrow(values);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) expect(widen(bits.subarray(i, i + 1))[0]).toBeNaN();
    else if (bits[i] !== PATTERNS[i]) expect([i, bits[i]]).toEqual([i, PATTERNS[i]]);
  });
});

it.each([
  ['binary16', fromFloat16, toFloat16, [0x0001, 0x0002, 0x03ff, 0x0400, 0x3c00, 0x3c01, 0x7bfe]],
  ['bfloat16', fromBfloat16, toBfloat16, [0x0080, 0x0081, 0x3f80, 0x3f81, 0x7f7e]],
])('halfway between two values of %s goes to the even one, else to the nearest', (_, widen, narrow, lows) => {
  for (const low of lows) {
    const [below, above] = widen(Uint16Array.of(low, low + 1)) as unknown as [number, number];
    const half = below / 2 + above / 2;
    const nearby = Float32Array.of(half, half * (1 - 2 ** -20), half * (1 + 2 ** -20), -half);
    const even = low % 2 === 0 ? low : low + 1;
    expect([...narrow(nearby)]).toEqual([even, low, low + 1, even | 0x8000]);
  }
});

it('what binary16 cannot hold becomes infinite or zero', () => {
  const bits = toFloat16(Float32Array.of(65_519, 65_520, -1e30, 2 ** -25, 2 ** -24 * 0.51));
  expect([...bits]).toEqual([0x7bff, 0x7c00, 0xfc00, 0, 1]);
});
