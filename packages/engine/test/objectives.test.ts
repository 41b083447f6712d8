import { describe, expect, it } from 'vitest';
import { random } from '../src/random.ts';
import { fillInTheMiddle, masked, nextWord, type Vocabulary } from '../src/stages/objectives.ts';

const vocabulary: Vocabulary = {
  vocabSize: 300,
  special: {
    endOfText: 0,
    pad: 1,
    system: 2,
    user: 3,
    assistant: 4,
    end: 5,
    mask: 6,
    fimPrefix: 7,
    fimMiddle: 8,
    fimSuffix: 9,
  },
};

describe('next word', () => {
  it('shifts each window by one', () => {
    expect(nextWord(Int32Array.of(10, 11, 12, 20, 21, 22), 2)).toEqual({
      inputs: Int32Array.of(10, 11, 20, 21),
      targets: Int32Array.of(11, 12, 21, 22),
    });
  });
});

describe('masked', () => {
  const length = 400;
  const windows = Int32Array.from({ length: 50 * (length + 1) }, (_, i) =>
    i % 8 === 0 ? 0 : 10 + (i % 290),
  );
  const original = nextWord(windows, length).inputs;
  const batch = masked(windows, length, 0.15, vocabulary, random(1));
  const places = [...batch.places!];
  const share = (wanted: (place: number) => boolean) => places.filter(wanted).length / places.length;

  it('predicts the original tokens, always the share asked for, never a special one', () => {
    expect([...batch.targets]).toEqual(places.map((place) => original[place]));
    expect(batch.targets.every((token) => token >= 10)).toBe(true);
    expect(places).toHaveLength(Math.round(0.15 * batch.inputs.length));
    expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
    const other = masked(windows, length, 0.15, vocabulary, random(2));
    expect(other.places).toHaveLength(places.length);
    expect([...other.places!]).not.toEqual(places);
  });

  it('hides 80 %, replaces 10 %, leaves 10 %, and touches nothing else', () => {
    expect(Math.abs(share((i) => batch.inputs[i] === 6) - 0.8)).toBeLessThan(0.03);
    const replaced = places.filter((i) => batch.inputs[i] !== 6 && batch.inputs[i] !== original[i]);
    expect(Math.abs(replaced.length / places.length - 0.1)).toBeLessThan(0.025);
    expect(replaced.every((i) => batch.inputs[i]! >= 10)).toBe(true);
    const chosen = new Set(places);
    expect([...batch.inputs.keys()].every((i) => chosen.has(i) || batch.inputs[i] === original[i])).toBe(
      true,
    );
  });

  it('always leaves something to predict', () => {
    const { places, targets } = masked(Int32Array.of(0, 42, 0), 2, 0, vocabulary, random(1));
    expect([places, targets]).toEqual([Int32Array.of(1), Int32Array.of(42)]);
  });
});

describe('fill in the middle', () => {
  const document = (first: number, length: number) => Array.from({ length }, (_, i) => first + i);

  /** The document in reading order, from prefix, suffix, middle. */
  function restore(rearranged: number[]): number[] {
    expect(rearranged[0]).toBe(7);
    const [suffix, middle] = [rearranged.indexOf(9), rearranged.indexOf(8)];
    expect(suffix).toBeGreaterThan(0);
    expect(middle).toBeGreaterThan(suffix);
    return [
      ...rearranged.slice(1, suffix),
      ...rearranged.slice(middle + 1),
      ...rearranged.slice(suffix + 1, middle),
    ];
  }

  it('rearranges each document of a window within its own room', () => {
    const window = [...document(10, 12), 0, ...document(100, 20)];
    for (let seed = 0; seed < 20; seed++) {
      const { inputs, targets } = fillInTheMiddle(Int32Array.from(window), 32, 1, vocabulary, random(seed));
      const whole = [...inputs, targets.at(-1)!];
      expect(whole).toHaveLength(33);
      expect(whole[12]).toBe(0);
      expect(restore(whole.slice(0, 12))).toEqual(document(10, 9));
      expect(whole[32]).toBe(0);
      expect(restore(whole.slice(13, 32))).toEqual(document(100, 16));
    }
  });

  it('leaves the share of documents that it should, and those too short', () => {
    const windows = Int32Array.from([...Array(1000)].flatMap(() => [...document(10, 9), 0]));
    const batch = (rate: number) => fillInTheMiddle(windows, 9, rate, vocabulary, random(3));
    const { inputs } = batch(0.3);
    const rearranged = [...Array(1000).keys()].filter((row) => inputs[row * 9] === 7).length;
    expect(Math.abs(rearranged / 1000 - 0.3)).toBeLessThan(0.05);
    expect(batch(0)).toEqual(nextWord(windows, 9));
    const short = Int32Array.of(10, 11, 12, 0);
    expect(fillInTheMiddle(short, 3, 1, vocabulary, random(3))).toEqual(nextWord(short, 3));
  });

  it('does not write into the windows it is given', () => {
    const windows = Int32Array.from(document(10, 20));
    fillInTheMiddle(windows, 19, 1, vocabulary, random(1));
    expect([...windows]).toEqual(document(10, 20));
  });
});
