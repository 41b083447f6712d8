import { describe, expect, it } from 'vitest';
import { editDistance, editSimilarity, grade, lastNumber, normaliseAnswer } from '../src/stages/graders.ts';
import { graderJudge, judgeRewards } from '../src/stages/judge.ts';

describe('answer normalisation', () => {
  it('folds case, width, space and outer punctuation, and keeps inner punctuation', () => {
    expect(normaliseAnswer('  "Port-au-Prince".\n')).toBe('port-au-prince');
    expect(normaliseAnswer('Ｐａｒｉｓ \t  city!')).toBe('paris city');
  });

  it.each([
    ['about 1,234.5 km', 1234.5],
    ['it is 3, so -7', -7],
    ['10-12', 12],
    ['x = .5', 0.5],
    ['6.02e23', 6.02e23],
    ['temperature \u22124', -4],
    ['no digits', undefined],
  ])('finds the last number of %j', (text, expected) => {
    expect(lastNumber(text)).toBe(expected);
  });
});

describe('edit distance', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['flaw', 'lawn', 2],
    ['😀a', '😁a', 1],
  ])('of %j and %j is %i', (a, b, expected) => {
    expect(editDistance(a, b)).toBe(expected);
    expect(editDistance(b, a)).toBe(expected);
  });

  it('becomes a similarity over the longer text', () => {
    expect(editSimilarity('kitten', 'sitting')).toBeCloseTo(1 - 3 / 7, 12);
    expect(editSimilarity('', '')).toBe(1);
  });
});

describe('grade', () => {
  it('applies each rule', () => {
    expect(grade('exact', 'Paris.', ['London', 'paris'])).toBe(1);
    expect(grade('exact', 'It is Paris', ['Paris'])).toBe(0);
    expect(grade('contains', 'It is Paris, of course', ['Paris'])).toBe(1);
    expect(grade('contains', 'Comparison', ['Paris'])).toBe(0);
    expect(grade('contains', 'anything', ['...'])).toBe(0);
    expect(grade('numeric', 'That makes 1,000', ['1000.0'])).toBe(1);
    expect(grade('numeric', 'none', ['none'])).toBe(0);
  });

  it('takes the best similarity over the references, 1 only for a match', () => {
    expect(grade('similarity', 'sitting', ['zzz', 'kitten'])).toBeCloseTo(4 / 7, 12);
    expect(grade('similarity', 'Kitten.', ['kitten'])).toBe(1);
  });
});

describe('judges', () => {
  it('grade every completion and refuse a prompt without a reference', async () => {
    const judge = graderJudge('exact');
    expect(await judge([{ prompt: 'q', reference: ['a'], completions: ['a', 'b', 'A!'] }])).toEqual([
      [1, 0, 1],
    ]);
    await expect(judge([{ prompt: 'why', completions: ['a'] }])).rejects.toMatchObject({
      code: 'invalid_data',
      param: 'reference',
    });
  });

  it('must answer with one finite number per completion', async () => {
    const batch = [{ prompt: 'q', completions: ['a', 'b'] }];
    expect(await judgeRewards(async () => [[1, 2]], batch)).toEqual([[1, 2]]);
    for (const wrong of [[], [[1]], [[1, Number.NaN]]]) {
      await expect(judgeRewards(async () => wrong, batch)).rejects.toMatchObject({ code: 'internal' });
    }
  });
});
