import type { StoredModel } from '@trainyard/contracts';
import type { Weight, Weights } from './checkpoint-content.ts';

const BLOCK_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};
const OUTER_NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

/** llama.cpp's name of a weight of a Llama model. */
function ggufName(name: string): string {
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  return part === undefined ? OUTER_NAMES[name]! : `blk.${layer}.${BLOCK_NAMES[part]}.weight`;
}

/**
 * Rows of a query or key projection in the order of llama.cpp, which rotates neighbouring pairs (0,1), (2,3), ... where
 * Hugging Face rotates halves: row 2 j + s of a head comes from its row s * half + j (`permute` of
 * convert_hf_to_gguf.py).
 */
function interleaveHeads({ shape, data }: Weight, heads: number): Weight {
  const [rows, width] = shape as [number, number];
  const half = rows / heads / 2;
  const permuted = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const from = head * 2 * half + (within % 2) * half + (within >> 1);
    permuted.set(data.subarray(from * width, (from + 1) * width), row * width);
  }
  return { shape, data: permuted };
}

export interface GgufTensor {
  name: string;
  shape: readonly number[];
  length: number;
  /** Made when it is asked for: at most one permuted copy is in memory. */
  values(): Float32Array;
}

/** The weights as llama.cpp wants them: the embedding, the blocks in order, the output. */
export function ggufTensors(weights: Weights, model: StoredModel): GgufTensor[] {
  return Object.entries(weights)
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([name, weight]) => {
      const heads = name.endsWith('q_proj.weight')
        ? model.heads
        : name.endsWith('k_proj.weight')
          ? model.kv_heads
          : undefined;
      return {
        name: ggufName(name),
        shape: weight.shape,
        length: weight.data.length,
        values: () => (heads === undefined ? weight : interleaveHeads(weight, heads)).data,
      };
    });
}
