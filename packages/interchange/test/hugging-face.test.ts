import { decodeSafetensors } from '@trainyard/storage';
import { describe, expect, it } from 'vitest';
import { exportHuggingFace, importHuggingFace } from '../src/index.ts';
import { contentOf, folderOf, jsonOf, tinyCheckpoint } from './tiny-checkpoint.ts';

const WHOLE = { dtype: 'f32', maxShardBytes: 1e9 } as const;

async function weightsOf(imported: { weights(): AsyncGenerator<Uint8Array> }) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of imported.weights()) chunks.push(chunk);
  return decodeSafetensors(Buffer.concat(chunks)).tensors;
}

describe('a Hugging Face folder', () => {
  it('has the files that transformers reads, with old and new spellings', () => {
    const content = tinyCheckpoint({}, 'assistant');
    const files = exportHuggingFace(content, WHOLE);
    expect(files.map(({ name }) => name)).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    for (const file of files) expect(contentOf(file).byteLength, file.name).toBe(file.bytes);
    expect(jsonOf(files, 'config.json')).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      num_key_value_heads: 2,
      head_dim: 4,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      rope_parameters: { rope_type: 'default', rope_theta: 10_000 },
      tie_word_embeddings: true,
      dtype: 'float32',
      torch_dtype: 'float32',
    });
    expect(jsonOf(files, 'generation_config.json').eos_token_id).toEqual([0, 5]);
    expect(jsonOf(files, 'tokenizer_config.json')).toMatchObject({
      eos_token: '<|endoftext|>',
      pad_token: '<|pad|>',
    });
    const card = contentOf(files[0]!).toString();
    for (const fact of ['license: "cc-by-4.0"', 'stories@1', '2024-06-30', 'pretrain run stories'])
      expect(card).toContain(fact);
  });

  it.each([true, false])(
    'comes back as it was, in one file or in shards (tied head: %s)',
    async (tied_head) => {
      const content = tinyCheckpoint({ tied_head, norm_epsilon: 1e-6, rope_theta: 500_000 });
      for (const maxShardBytes of [1e9, 6000, 1]) {
        const files = exportHuggingFace(content, { dtype: 'f32', maxShardBytes });
        const imported = await importHuggingFace(folderOf(files));
        expect(imported).toMatchObject({ kind: 'base', model: content.model });
        expect(imported.tokenizer.toJson()).toEqual(content.tokenizer.toJson());
        const weights = await weightsOf(imported);
        expect(Object.keys(weights).sort()).toEqual(Object.keys(content.weights).sort());
        for (const [name, { data }] of Object.entries(content.weights))
          expect(weights[name]!.data).toEqual(data);
      }
    },
  );

  it('names shards and index as save_pretrained does', () => {
    const files = exportHuggingFace(tinyCheckpoint(), { dtype: 'f32', maxShardBytes: 10_000 });
    const shards = files.filter(({ name }) => name.endsWith('.safetensors')).map(({ name }) => name);
    expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
    const { metadata, weight_map } = jsonOf(files, 'model.safetensors.index.json');
    expect(new Set(Object.values(weight_map))).toEqual(new Set(shards));
    const values = Object.values(tinyCheckpoint().weights).reduce((sum, { data }) => sum + data.length, 0);
    expect(metadata.total_size).toBe(4 * values);
  });

  it.each(['f16', 'bf16'] as const)('rounds to %s and back', async (dtype) => {
    const content = tinyCheckpoint();
    const files = exportHuggingFace(content, { dtype, maxShardBytes: 1e9 });
    const weights = await weightsOf(await importHuggingFace(folderOf(files)));
    const name = 'model.layers.1.mlp.up_proj.weight';
    const precision = dtype === 'f16' ? 2 ** -11 : 2 ** -8;
    content.weights[name]!.data.forEach((value, i) => {
      const error = Math.abs((weights[name]!.data[i] as number) - value);
      expect(error).toBeLessThanOrEqual(precision * Math.abs(value));
    });
  });

  it('refuses what a dtype or a Llama class cannot hold', () => {
    const content = tinyCheckpoint();
    content.weights['model.norm.weight']!.data[3] = 7e4;
    expect(() => exportHuggingFace(content, { dtype: 'f16', maxShardBytes: 1e9 })).toThrow(
      expect.objectContaining({ code: 'incompatible_checkpoint', param: 'dtype' }),
    );
    const masked = tinyCheckpoint({ attention: 'bidirectional', objective: 'masked' }, 'masked');
    expect(() => exportHuggingFace(masked, WHOLE)).toThrow(
      expect.objectContaining({ code: 'incompatible_checkpoint', param: 'format' }),
    );
  });

  it('holds a reward model as LlamaForSequenceClassification', () => {
    const content = tinyCheckpoint({}, 'reward');
    const files = exportHuggingFace(content, WHOLE);
    expect(jsonOf(files, 'config.json')).toMatchObject({
      architectures: ['LlamaForSequenceClassification'],
      id2label: { 0: 'score' },
      tie_word_embeddings: false,
    });
    expect(files.map(({ name }) => name)).not.toContain('generation_config.json');
  });
});
