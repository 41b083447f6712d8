import { describe, expect, it } from 'vitest';
import { normal, permutation, random, shuffle } from '../src/random.ts';

const draw = (next: () => number, count: number) => Array.from({ length: count }, next);

describe('random', () => {
  it('is a function of seed and stream', () => {
    expect(draw(random(1, 'a', 2), 5)).toEqual(draw(random(1, 'a', 2), 5));
    const others = [
      random(2, 'a', 2),
      random(1, 'b', 2),
      random(1, 'a', 3),
      random(1, 'a2'),
      random(1, 'a', '2'),
    ];
    const firsts = new Set([random(1, 'a', 2), ...others].map((next) => next()));
    expect(firsts.size).toBe(6);
  });

  it('is uniform, also across neighbouring streams', () => {
    const samples = {
      within: draw(random(3), 20_000),
      across: draw(() => 0, 20_000).map((_, i) => random(3, i)()),
    };
    for (const values of Object.values(samples)) {
      const bins = new Array<number>(20).fill(0);
      for (const value of values) bins[Math.floor(value * 20)]! += 1;
      const chiSquare = bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
      expect(chiSquare).toBeLessThan(43.8); // 19 degrees of freedom, p = 0.001
      const lag = values.slice(1).reduce((sum, value, i) => sum + (value - 0.5) * (values[i]! - 0.5), 0);
      expect(Math.abs(lag / values.length / (1 / 12))).toBeLessThan(0.03);
    }
  });

  it('draws standard normals', () => {
    const uniform = random(4);
    const values = draw(() => normal(uniform), 20_000);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    const tail = values.filter((x) => Math.abs(x) > 1.96).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    expect(Math.abs(tail - 0.05)).toBeLessThan(0.006);
  });

  it('shuffles without losing or favouring anything', () => {
    expect([...permutation(50, random(5))].sort((a, b) => a - b)).toEqual([...Array(50).keys()]);
    const uniform = random(6);
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffle(['a', 'b', 'c'], uniform).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});
