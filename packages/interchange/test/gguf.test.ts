import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exportGguf } from '../src/index.ts';
import { contentOf, tinyCheckpoint, tokenizer } from './tiny-checkpoint.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-gguf-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function readBack(content: ReturnType<typeof tinyCheckpoint>, dtype: 'f32' | 'f16' | 'bf16') {
  const file = exportGguf(content, { dtype }).find(({ name }) => name.endsWith('.gguf'))!;
  const bytes = contentOf(file);
  expect(bytes.byteLength).toBe(file.bytes);
  const path = join(folder, file.name);
  await writeFile(path, bytes);
  return { bytes, ...(await gguf(path, { allowLocalFile: true })) };
}

it('is read back by another implementation with every key', async () => {
  const content = tinyCheckpoint({ tied_head: false, norm_epsilon: 1e-6 }, 'assistant');
  const { metadata, tensorInfos } = await readBack(content, 'f16');
  const text = Object.fromEntries(Object.entries(metadata));
  expect(text).toMatchObject({
    version: 3,
    'general.architecture': 'llama',
    'general.license': 'CC-BY-4.0',
    'general.file_type': 1,
    'llama.block_count': 2,
    'llama.embedding_length': 16,
    'llama.feed_forward_length': 24,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.rope.dimension_count': 4,
    'llama.rope.freq_base': 10_000,
    'llama.context_length': 32,
    'llama.vocab_size': tokenizer.vocabSize,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 0,
    'tokenizer.ggml.eot_token_id': 5,
    'tokenizer.ggml.padding_token_id': 1,
    'tokenizer.ggml.add_bos_token': false,
  });
  expect(text['llama.attention.layer_norm_rms_epsilon']).toBeCloseTo(1e-6, 10);
  expect(text['tokenizer.chat_template']).toContain('<|assistant|>');
  const { vocab, merges } = (
    tokenizer.toJson() as { model: { vocab: Record<string, number>; merges: string[] } }
  ).model;
  const tokens = text['tokenizer.ggml.tokens'] as string[];
  expect(tokens.length).toBe(tokenizer.vocabSize);
  for (const [token, id] of Object.entries(vocab)) expect(tokens[id]).toBe(token);
  expect(text['tokenizer.ggml.merges']).toEqual(merges);
  expect((text['tokenizer.ggml.token_type'] as number[]).slice(8, 12)).toEqual([3, 3, 1, 1]);
  const infos = Object.fromEntries(tensorInfos.map((info) => [info.name, info]));
  expect(Object.keys(infos)).toHaveLength(2 * 9 + 3);
  expect(infos['output.weight']).toMatchObject({
    shape: [16n, BigInt(tokenizer.vocabSize)],
    dtype: GGMLQuantizationType.F16,
  });
  expect(infos['blk.1.attn_k.weight']!.shape).toEqual([16n, 8n]);
  expect(infos['blk.0.attn_norm.weight']).toMatchObject({ shape: [16n], dtype: GGMLQuantizationType.F32 });
});

it('holds the weights, those of queries and keys in the order of llama.cpp', async () => {
  const content = tinyCheckpoint();
  const { bytes, tensorInfos, tensorDataOffset } = await readBack(content, 'f32');
  const read = (name: string): Float32Array => {
    const { offset, shape } = tensorInfos.find((info) => info.name === name)!;
    const start = Number(tensorDataOffset + offset);
    expect(start % 32).toBe(0);
    const length = Number(shape.reduce((product, size) => product * size, 1n));
    return Float32Array.from({ length }, (_, i) => bytes.readFloatLE(start + 4 * i));
  };
  const { weights } = content;
  expect(read('token_embd.weight')).toEqual(weights['model.embed_tokens.weight']!.data);
  expect(read('output_norm.weight')).toEqual(weights['model.norm.weight']!.data);
  expect(read('blk.1.ffn_down.weight')).toEqual(weights['model.layers.1.mlp.down_proj.weight']!.data);
  expect(tensorInfos.some(({ name }) => name === 'output.weight')).toBe(false);
  for (const [ours, theirs, heads] of [
    ['q_proj', 'attn_q', 4],
    ['k_proj', 'attn_k', 2],
  ] as const) {
    // Back from neighbouring pairs to halves: reshape [heads, half, 2, in] -> [heads, 2, half, in].
    const permuted = read(`blk.0.${theirs}.weight`);
    const [half, width] = [2, 16];
    const original = new Float32Array(permuted.length);
    for (let head = 0; head < heads; head++)
      for (let side = 0; side < 2; side++)
        for (let j = 0; j < half; j++) {
          const from = (head * 2 * half + 2 * j + side) * width;
          original.set(permuted.subarray(from, from + width), (head * 2 * half + side * half + j) * width);
        }
    expect(original).toEqual(weights[`model.layers.0.self_attn.${ours}.weight`]!.data);
    expect(permuted).not.toEqual(original);
  }
});

it('refuses kinds that the architecture has no place for', () => {
  for (const content of [
    tinyCheckpoint({ attention: 'bidirectional', objective: 'masked' }, 'masked'),
    tinyCheckpoint({}, 'reward'),
  ])
    expect(() => exportGguf(content, { dtype: 'f32' })).toThrow(
      expect.objectContaining({ code: 'incompatible_checkpoint', param: 'format' }),
    );
});
