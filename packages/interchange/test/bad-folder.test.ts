import { encodeSafetensors } from '@trainyard/storage';
import { expect, it } from 'vitest';
import { exportHuggingFace, importHuggingFace } from '../src/index.ts';
import { contentOf, folderOf, jsonOf, tinyCheckpoint } from './tiny-checkpoint.ts';

const content = tinyCheckpoint();
const files = exportHuggingFace(content, { dtype: 'f32', maxShardBytes: 1e9 });
const config = jsonOf(files, 'config.json');
const weights = contentOf(files.find(({ name }) => name === 'model.safetensors')!);

const refused = (changes: Record<string, Uint8Array | object | undefined>, param: string) =>
  expect(importHuggingFace(folderOf(files, changes))).rejects.toThrow(
    expect.objectContaining({ code: 'invalid_data', param, message: expect.stringContaining(param) }),
  );

it.each([
  'model_type',
  'architectures',
  'hidden_size',
  'num_hidden_layers',
  'intermediate_size',
  'vocab_size',
])('names %s of config.json where it is missing or wrong', async (key) => {
  if (key !== 'model_type') await refused({ 'config.json': { ...config, [key]: undefined } }, key);
  await refused({ 'config.json': { ...config, [key]: 'many' } }, key);
});

it.each<[string, unknown]>([
  ['rope_scaling', { rope_type: 'llama3', factor: 8 }],
  ['rope_type', undefined],
  ['rope_theta', 5000],
  ['attention_bias', true],
  ['mlp_bias', true],
  ['hidden_act', 'gelu'],
  ['head_dim', 8],
  ['num_attention_heads', 3],
  ['num_key_value_heads', 3],
  ['sliding_window', 128],
  ['quantization_config', { bits: 4 }],
  ['auto_map', { AutoModel: 'code.py' }],
  ['rms_norm_eps', -1],
  ['tie_word_embeddings', 'yes'],
  ['max_position_embeddings', 1e9],
  ['vocab_size', 301],
])('names %s of config.json, which it cannot represent', (key, value) =>
  refused(
    {
      'config.json':
        key === 'rope_type'
          ? { ...config, rope_parameters: { rope_type: 'yarn', rope_theta: 10_000 } }
          : { ...config, [key]: value },
    },
    key,
  ),
);

it.each<[string, Record<string, Uint8Array | object | undefined>]>([
  ['config.json', { 'config.json': undefined }],
  ['config.json', { 'config.json': Buffer.from('{"a":') }],
  ['config.json', { 'config.json': [1] }],
  ['tokenizer.json', { 'tokenizer.json': undefined }],
  ['tokenizer.json', { 'tokenizer.json': Buffer.from([0xff, 0xfe]) }],
  ['model.safetensors', { 'model.safetensors': undefined }],
  ['pytorch_model.bin', { 'pytorch_model.bin': Buffer.from('pickle') }],
  ['consolidated.00.pth', { 'consolidated.00.pth': Buffer.from('pickle') }],
  ['modeling_llama.py', { 'modeling_llama.py': Buffer.from('print()') }],
  ['model-00001-of-00002.safetensors', { 'model-00001-of-00002.safetensors': weights }],
  ['weight_map', { 'model.safetensors.index.json': { weight_map: 7 } }],
  ['weight_map', { 'model.safetensors.index.json': { weight_map: { a: '../x' } } }],
  ['text_boundaries.end', { 'tokenizer_config.json': { eos_token: '<eos>' } }],
  ['model.type', { 'tokenizer.json': { ...jsonOf(files, 'tokenizer.json'), model: { type: 'Unigram' } } }],
])('names %s', (param, changes) => refused(changes, param));

it('passes over notes and what tokenizer.json says already', async () => {
  const notes = {
    '.gitattributes': {},
    LICENSE: {},
    'USE_POLICY.md': {},
    'merges.txt': {},
    'vocab.json': {},
  };
  expect((await importHuggingFace(folderOf(files, notes))).kind).toBe('base');
});

function withTensors(
  change: (tensors: Record<string, { shape: readonly number[]; data: Float32Array }>) => void,
) {
  const tensors = Object.fromEntries(
    Object.entries(content.weights).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  change(tensors);
  const all = Object.entries(tensors).map(([name, tensor]) => [
    name,
    { dtype: 'float32' as const, ...tensor },
  ]);
  return { 'model.safetensors': Buffer.concat(encodeSafetensors(Object.fromEntries(all))) };
}

it('names the tensor that is missing, superfluous, misshapen or not finite', async () => {
  const name = 'model.layers.1.self_attn.k_proj.weight';
  await refused(
    withTensors((tensors) => delete tensors[name]),
    name,
  );
  await refused(
    withTensors((tensors) => Object.assign(tensors, { extra: { shape: [1], data: new Float32Array(1) } })),
    'extra',
  );
  await refused(
    withTensors((tensors) => Object.assign(tensors, { [name]: content.weights['model.norm.weight'] })),
    name,
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    await refused(
      withTensors((tensors) => tensors[name]!.data.fill(value, 70, 71)),
      name,
    );
  const ints = Buffer.concat(
    encodeSafetensors({ odd: { dtype: 'int32', shape: [1], data: Int32Array.of(1) } }),
  );
  await refused({ 'model.safetensors': ints }, 'odd');
});

it('names the file whose header lies or is cut off', async () => {
  const headerBytes = Number(weights.readBigUInt64LE(0));
  const lying = (change: (header: Record<string, { data_offsets: number[]; shape: number[] }>) => void) => {
    const header = JSON.parse(weights.subarray(8, 8 + headerBytes).toString());
    change(header);
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return { 'model.safetensors': Buffer.concat([length, text, weights.subarray(8 + headerBytes)]) };
  };
  const norm = 'model.norm.weight';
  await refused(
    lying((header) => (header[norm]!.data_offsets = [0, 64])),
    'model.embed_tokens.weight',
  );
  await refused(
    lying((header) => (header[norm]!.shape = [2 ** 40])),
    norm,
  );
  await refused(
    lying((header) => delete header[norm]),
    'model.safetensors',
  );
  await refused({ 'model.safetensors': weights.subarray(0, weights.length - 1) }, norm);
  await refused({ 'model.safetensors': weights.subarray(0, 5) }, 'model.safetensors');
  const enormous = Buffer.from(weights);
  enormous.writeBigUInt64LE(2n ** 62n, 0);
  await refused({ 'model.safetensors': enormous }, 'model.safetensors');
  const noise = Buffer.from(weights);
  noise.fill(0xc3, 20, 60);
  await refused({ 'model.safetensors': noise }, 'model.safetensors');
});

it('holds the index against the shards', async () => {
  const sharded = exportHuggingFace(content, { dtype: 'f32', maxShardBytes: 12_000 });
  const index = jsonOf(sharded, 'model.safetensors.index.json');
  const name = 'model.norm.weight';
  const moved = { ...index, weight_map: { ...index.weight_map, [name]: 'model-00001-of-00003.safetensors' } };
  const importing = (changes: Record<string, object | undefined>) =>
    importHuggingFace(folderOf(sharded, changes));
  await expect(importing({ 'model.safetensors.index.json': moved })).rejects.toThrow(
    expect.objectContaining({ param: name }),
  );
  const last = index.weight_map[name];
  await expect(importing({ [last]: undefined })).rejects.toThrow(expect.objectContaining({ param: last }));
});
