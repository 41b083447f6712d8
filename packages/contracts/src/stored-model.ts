import type { ModelShape } from './model.ts';
import type { OBJECTIVES } from './stage-config.ts';

/** A model's configuration as manifests, rows and the API spell it. */
export interface StoredModel extends ModelShape {
  vocab_size: number;
  attention: 'causal' | 'bidirectional';
  /** What it was pre-trained on: decides how a gap in a text is shown to it. */
  objective: (typeof OBJECTIVES)[number];
  /** Of RMSNorm; 1e-5 where it is left out, as in every model that began here. */
  norm_epsilon?: number;
}

export const DEFAULT_NORM_EPSILON = 1e-5;

/** Weights by Hugging Face's names for Llama, with their shapes; matrices are [out, in]. */
export function weightShapes(
  model: Omit<StoredModel, 'context_length' | 'rope_theta' | 'attention' | 'objective'>,
): Map<string, number[]> {
  const { vocab_size, width, hidden_width } = model;
  const keyValueWidth = model.kv_heads * (width / model.heads);
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [vocab_size, width]]]);
  for (let layer = 0; layer < model.layers; layer++) {
    const add = (name: string, ...shape: number[]) =>
      shapes.set(`model.layers.${layer}.${name}.weight`, shape);
    add('input_layernorm', width);
    add('self_attn.q_proj', width, width);
    add('self_attn.k_proj', keyValueWidth, width);
    add('self_attn.v_proj', keyValueWidth, width);
    add('self_attn.o_proj', width, width);
    add('post_attention_layernorm', width);
    add('mlp.gate_proj', hidden_width, width);
    add('mlp.up_proj', hidden_width, width);
    add('mlp.down_proj', width, hidden_width);
  }
  shapes.set('model.norm.weight', [width]);
  if (!model.tied_head) shapes.set('lm_head.weight', [vocab_size, width]);
  return shapes;
}

/** The names that Hugging Face PEFT gives a weight's LoRA adapters: A is [rank, in], B is [out, rank]. */
export function adapterNames(weight: string): { a: string; b: string } {
  const path = `base_model.model.${weight.replace(/\.weight$/, '')}`;
  return { a: `${path}.lora_A.weight`, b: `${path}.lora_B.weight` };
}
