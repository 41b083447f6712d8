import { expect, it } from 'vitest';
import { countParameters, PRESET_NAMES, PRESETS, resolveModel } from '../src/model.ts';

it.each(PRESET_NAMES)('preset %s is whole and fits together', (preset) => {
  expect(resolveModel({ preset })).toEqual({ preset, ...PRESETS[preset] });
});

it('sizes rise from preset to preset', () => {
  const sizes = PRESET_NAMES.map((preset) => countParameters(PRESETS[preset], 1024));
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  // medium by hand: 6 * (4 * 384^2 + 3 * 384 * 1024 + 2 * 384) + 384 + 4096 * 384
  expect(countParameters(PRESETS.medium, 4096)).toBe(12_194_688);
});

it('what is asked for goes over the preset', () => {
  const model = resolveModel({ preset: 'mini', heads: 8, kv_heads: 8, context_length: 32, tied_head: false });
  expect(model).toEqual({
    ...PRESETS.mini,
    preset: 'mini',
    heads: 8,
    kv_heads: 8,
    context_length: 32,
    tied_head: false,
  });
});

it.each([
  [{ width: 33 }, 'config.model.heads', 'width 33 is not a multiple of heads 2'],
  [{ width: 30, heads: 10, kv_heads: 5 }, 'config.model.heads', 'even head size'],
  [{ heads: 4, kv_heads: 3 }, 'config.model.kv_heads', 'heads 4 is not a multiple of kv_heads 3'],
  [{ kv_heads: 4 }, 'config.model.kv_heads', 'heads 2 is not a multiple of kv_heads 4'],
])('refuses %j', (own, param, message) => {
  expect(() => resolveModel({ preset: 'tiny', ...own })).toThrow(
    expect.objectContaining({ code: 'invalid_config', param, message: expect.stringContaining(message) }),
  );
});
