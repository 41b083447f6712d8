import { DEFAULT_NORM_EPSILON, type ExportDtype } from '@trainyard/contracts';
import { chatTemplate, type PreTokenizerName, type Tokenizer } from '@trainyard/tokenizer';
import type { CheckpointContent } from './checkpoint-content.ts';
import type { GgufValue } from './gguf-values.ts';
import { padId } from './llama-config.ts';

const text = (value: string): GgufValue => ({ type: 'string', value });
const count = (value: number): GgufValue => ({ type: 'uint32', value });
const number = (value: number): GgufValue => ({ type: 'float32', value });
const flag = (value: boolean): GgufValue => ({ type: 'bool', value });

/** `llama_ftype` of llama.cpp: what most tensors are. */
const FILE_TYPES: Record<ExportDtype, number> = { f32: 0, f16: 1, bf16: 32 };
/**
 * How llama.cpp cuts words. It has nothing for the pattern of tokenizers trained here; Qwen 2's is the nearest: it cuts
 * ordinary text alike, but not combining marks or runs of more than 64 characters.
 */
const PRE: Record<PreTokenizerName, string> = {
  trainyard: 'qwen2',
  'gpt-2': 'gpt-2',
  'llama-bpe': 'llama-bpe',
  qwen2: 'qwen2',
  smollm: 'smollm',
};
/** `llama_token_type`. */
const NORMAL = 1;
const CONTROL = 3;

/** Keys by the GGUF specification, in the order that llama.cpp's converter writes them. */
export function ggufMetadata(content: CheckpointContent, dtype: ExportDtype): [string, GgufValue][] {
  const { model, kind, card } = content;
  const licences = [...new Set([...card.licences, ...card.datasets.flatMap(({ licence }) => licence ?? [])])];
  return [
    ['general.architecture', text('llama')],
    ['general.type', text('model')],
    ['general.name', text(`trainyard ${kind} ${card.checkpointId}`)],
    ...(licences.length > 0
      ? [['general.license', text(licences.sort().join(', '))] as [string, GgufValue]]
      : []),
    ['general.description', text(`knowledge cut-off: ${card.knowledgeCutoff ?? 'unknown'}`)],
    ['general.file_type', count(FILE_TYPES[dtype])],
    ['llama.vocab_size', count(model.vocab_size)],
    ['llama.context_length', count(model.context_length)],
    ['llama.embedding_length', count(model.width)],
    ['llama.block_count', count(model.layers)],
    ['llama.feed_forward_length', count(model.hidden_width)],
    ['llama.attention.head_count', count(model.heads)],
    ['llama.attention.head_count_kv', count(model.kv_heads)],
    ['llama.attention.layer_norm_rms_epsilon', number(model.norm_epsilon ?? DEFAULT_NORM_EPSILON)],
    ['llama.rope.dimension_count', count(model.width / model.heads)],
    ['llama.rope.freq_base', number(model.rope_theta)],
    ...tokenizerMetadata(content),
  ];
}

function tokenizerMetadata({ tokenizer, kind }: CheckpointContent): [string, GgufValue][] {
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  const { vocab, merges } = (tokenizer.toJson() as TokenizerJson).model;
  const tokens = new Array<string>(ids.length);
  for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  for (const id of ids) tokens[id] = tokenizer.specialText(id) ?? tokens[id]!;
  const assistant = kind === 'assistant';
  return [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(PRE[tokenizer.preTokenizer.name])],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokens }],
    [
      'tokenizer.ggml.token_type',
      {
        type: 'int32s',
        value: ids.map((id) => (tokenizer.specialText(id) === undefined ? NORMAL : CONTROL)),
      },
    ],
    [
      'tokenizer.ggml.merges',
      { type: 'strings', value: merges.map((merge) => (Array.isArray(merge) ? merge.join(' ') : merge)) },
    ],
    ['tokenizer.ggml.bos_token_id', count(tokenizer.beginOfText)],
    ['tokenizer.ggml.eos_token_id', count(tokenizer.special.endOfText)],
    ['tokenizer.ggml.padding_token_id', count(padId(tokenizer))],
    ...(assistant
      ? [['tokenizer.ggml.eot_token_id', count(tokenizer.endOfMessage)] as [string, GgufValue]]
      : []),
    ...fillInTheMiddle(tokenizer),
    // A conversation starts with its first role; plain text starts with the token that texts began with in training.
    ['tokenizer.ggml.add_bos_token', flag(!assistant)],
    ['tokenizer.ggml.add_eos_token', flag(false)],
    ...(assistant ? [['tokenizer.chat_template', text(chatTemplate(tokenizer))] as [string, GgufValue]] : []),
  ];
}

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges: (string | string[])[] };
}

function fillInTheMiddle(tokenizer: Tokenizer): [string, GgufValue][] {
  const keys = { fim_pre: '<|fim_prefix|>', fim_suf: '<|fim_suffix|>', fim_mid: '<|fim_middle|>' };
  return Object.entries(keys).flatMap(([key, token]): [string, GgufValue][] => {
    const id = tokenizer.specialId(token);
    return id === undefined ? [] : [[`tokenizer.ggml.${key}_token_id`, count(id)]];
  });
}
