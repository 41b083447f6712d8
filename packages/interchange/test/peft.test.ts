import { adapterNames } from '@trainyard/contracts';
import { describe, expect, it } from 'vitest';
import { exportPeft, importAdapters, type LoraSettings } from '../src/index.ts';
import { contentOf, folderOf, jsonOf, tinyCheckpoint, values } from './tiny-checkpoint.ts';

const lora: LoraSettings = { rank: 2, alpha: 6, targets: ['q_proj', 'down_proj'] };
const content = tinyCheckpoint({}, 'assistant');
const adapters: Record<string, { shape: number[]; data: Float32Array }> = {};
for (const [name, { shape }] of Object.entries(content.weights)) {
  if (!/q_proj|down_proj/.test(name)) continue;
  const { a, b } = adapterNames(name);
  adapters[a] = { shape: [2, shape[1]!], data: values(2 * shape[1]!, 50) };
  adapters[b] = { shape: [shape[0]!, 2], data: values(2 * shape[0]!, 60) };
}
const moments = { 'adamw.moment': { shape: [1], data: Float32Array.of(1) } };
const files = exportPeft(content, { dtype: 'f32', lora, optimizer: { ...moments, ...adapters } });
const config = jsonOf(files, 'adapter_config.json');

describe('a PEFT folder', () => {
  it('holds the adapters and nothing else of the optimizer', () => {
    expect(files.map(({ name }) => name)).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    for (const file of files) expect(contentOf(file).byteLength).toBe(file.bytes);
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      lora_alpha: 6,
      target_modules: ['down_proj', 'q_proj'],
    });
    expect(contentOf(files[2]!).toString('latin1')).not.toContain('adamw');
  });

  it('comes back, and merges into W + alpha / rank * B A', async () => {
    const imported = await importAdapters(folderOf(files), content.weights);
    expect(imported.lora).toEqual(lora);
    expect(imported.adapters).toEqual(adapters);
    const name = 'model.layers.1.mlp.down_proj.weight';
    const [a, b] = [adapters[adapterNames(name).a]!.data, adapters[adapterNames(name).b]!.data];
    const expected = content.weights[name]!.data[5 * 24 + 7]! + 3 * (b[10]! * a[7]! + b[11]! * a[24 + 7]!);
    expect(imported.merged[name]!.data[5 * 24 + 7]).toBeCloseTo(expected, 5);
    const other = 'model.layers.1.self_attn.k_proj.weight';
    expect(imported.merged[other]).toBe(content.weights[other]);
  });

  it('is refused to a checkpoint without adapters', () => {
    for (const options of [
      { lora: undefined, optimizer: adapters },
      { lora, optimizer: moments },
    ])
      expect(() => exportPeft(content, { dtype: 'f32', ...options })).toThrow(
        expect.objectContaining({ code: 'incompatible_checkpoint', param: 'format' }),
      );
  });

  const refused = (changes: Record<string, object | undefined>, param: string, base = content.weights) =>
    expect(importAdapters(folderOf(files, changes), base)).rejects.toThrow(
      expect.objectContaining({ code: 'invalid_data', param }),
    );

  it.each<[string, unknown]>([
    ['peft_type', 'IA3'],
    ['r', 3.5],
    ['lora_alpha', 0],
    ['use_dora', true],
    ['use_rslora', true],
    ['bias', 'all'],
    ['modules_to_save', ['lm_head']],
    ['rank_pattern', { q_proj: 4 }],
    ['layers_to_transform', [0]],
  ])('names %s of adapter_config.json', (key, value) =>
    refused({ 'adapter_config.json': { ...config, [key]: value } }, key),
  );

  it('names the adapter that is missing or does not fit', async () => {
    const { a } = adapterNames('model.layers.0.self_attn.q_proj.weight');
    const without = exportPeft(content, {
      dtype: 'f32',
      lora,
      optimizer: Object.fromEntries(Object.entries(adapters).filter(([name]) => name !== a)),
    });
    await refused({ 'adapter_model.safetensors': contentOf(without[2]!) }, a);
    await refused({ 'adapter_config.json': { ...config, r: 3 } }, a);
    const shallow = tinyCheckpoint({ layers: 1 }).weights;
    await refused({}, adapterNames('model.layers.1.mlp.down_proj.weight').a, shallow);
    await refused({ 'adapter_model.safetensors': undefined }, 'adapter_model.safetensors');
    await refused({ 'adapter_model.bin': Buffer.from('pickle') }, 'adapter_model.bin');
  });
});
