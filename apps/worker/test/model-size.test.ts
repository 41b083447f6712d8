import { countParameters, PRESET_NAMES, resolveModel } from '@trainyard/contracts';
import { initParameters, toModelConfig } from '@trainyard/engine';
import { expect, test } from 'vitest';

const SHAPES = [
  ...PRESET_NAMES.filter((name) => name !== 'large' && name !== 'medium').map((preset) => ({ preset })),
  { preset: 'tiny' as const, tied_head: false },
  { preset: 'mini' as const, heads: 8, kv_heads: 8, layers: 1, hidden_width: 100 },
];

test.each(SHAPES)('the parameters that %j is said to have are those that it gets', (request) => {
  const shape = resolveModel(request);
  const config = toModelConfig({ ...shape, vocab_size: 300, attention: 'causal', objective: 'next_word' });
  const made = Object.values(initParameters(config, 1)).reduce((sum, { data }) => sum + data.length, 0);
  expect(countParameters(shape, 300)).toBe(made);
});
