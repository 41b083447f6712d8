import { DEFAULT_NORM_EPSILON, type ExportDtype, type StoredModel } from '@trainyard/contracts';
import type { CheckpointContent } from './checkpoint-content.ts';
import { WEIGHT_DTYPES } from './weight-dtype.ts';

/** The ids that generation needs, as config.json and generation_config.json name them. */
function tokenIds({ tokenizer }: CheckpointContent) {
  return {
    bos_token_id: tokenizer.beginOfText,
    eos_token_id: tokenizer.special.endOfText,
    pad_token_id: padId(tokenizer),
  };
}

export function padId(tokenizer: CheckpointContent['tokenizer']): number {
  return tokenizer.specialId('<|pad|>') ?? tokenizer.special.endOfText;
}

/** The tokens that end an answer: of an assistant the end of its message, too. */
function stopIds({ kind, tokenizer }: CheckpointContent): number[] {
  const end = tokenizer.special.endOfText;
  return kind === 'assistant' ? [...new Set([end, tokenizer.endOfMessage])] : [end];
}

/**
 * config.json of `transformers`' Llama classes. Older versions read `rope_theta` and `torch_dtype`, newer ones
 * `rope_parameters` and `dtype`. `trainyard` is our own: what an import cannot tell from the rest.
 */
export function llamaConfig(content: CheckpointContent, dtype: ExportDtype): object {
  const { kind, model } = content;
  const { torch } = WEIGHT_DTYPES[dtype];
  const reward = kind === 'reward';
  return {
    architectures: [reward ? 'LlamaForSequenceClassification' : 'LlamaForCausalLM'],
    model_type: 'llama',
    ...shape(model),
    // A scorer has no output projection to share.
    tie_word_embeddings: reward ? false : model.tied_head,
    ...tokenIds(content),
    ...(reward && { id2label: { 0: 'score' }, label2id: { score: 0 }, problem_type: 'regression' }),
    dtype: torch,
    torch_dtype: torch,
    trainyard: { kind, objective: model.objective },
  };
}

const shape = (model: StoredModel) => ({
  vocab_size: model.vocab_size,
  hidden_size: model.width,
  intermediate_size: model.hidden_width,
  num_hidden_layers: model.layers,
  num_attention_heads: model.heads,
  num_key_value_heads: model.kv_heads,
  head_dim: model.width / model.heads,
  max_position_embeddings: model.context_length,
  hidden_act: 'silu',
  rms_norm_eps: model.norm_epsilon ?? DEFAULT_NORM_EPSILON,
  rope_theta: model.rope_theta,
  rope_parameters: { rope_type: 'default', rope_theta: model.rope_theta },
  attention_bias: false,
  attention_dropout: 0,
  mlp_bias: false,
  initializer_range: 0.02,
  use_cache: true,
});

export const generationConfig = (content: CheckpointContent): object => ({
  ...tokenIds(content),
  eos_token_id: stopIds(content),
});
