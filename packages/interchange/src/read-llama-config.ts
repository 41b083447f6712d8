import { DEFAULT_NORM_EPSILON, OBJECTIVES, type StoredModel } from '@trainyard/contracts';
import { ConfigReader } from './config-reader.ts';

/** `LlamaConfig`'s own defaults, which its files may leave out. */
const DEFAULTS = { context: 2048, theta: 10_000, epsilon: 1e-6 };

/**
 * The model that a config.json of `LlamaForCausalLM` describes, and the kind that it says it has if it was exported
 * here. Throws `invalid_data`, `param` being the key, for all that this engine cannot compute exactly.
 */
export function readLlamaConfig(values: Record<string, unknown>): {
  model: StoredModel;
  kind: 'base' | 'assistant' | undefined;
} {
  const config = new ConfigReader('config.json', values);
  config.only('model_type', 'llama', 'only llama is');
  const architectures = config.get('architectures');
  if (JSON.stringify(architectures) !== '["LlamaForCausalLM"]')
    config.fail(
      'architectures',
      `is ${JSON.stringify(architectures)}; only ["LlamaForCausalLM"] is supported`,
    );
  config.absent('quantization_config', 'weights must be F32, F16 or BF16');
  config.absent('auto_map', 'code that comes with a model is never run');
  config.only('hidden_act', 'silu', 'the feed-forward block is SwiGLU');
  for (const key of ['attention_bias', 'mlp_bias']) config.only(key, false, 'projections have no bias here');
  for (const key of ['sliding_window', 'use_sliding_window'])
    config.absent(key, 'attention reaches over the whole context');
  config.only('pretraining_tp', 1, 'projections are not computed in slices');
  const width = config.count('hidden_size', 16_384);
  const heads = config.count('num_attention_heads', 256);
  const kvHeads = config.count('num_key_value_heads', 256, heads);
  if (width % (2 * heads) !== 0)
    config.fail(
      'num_attention_heads',
      `is ${heads}, which does not give hidden_size ${width} heads of an even size`,
    );
  if (heads % kvHeads !== 0)
    config.fail('num_key_value_heads', `is ${kvHeads}, which does not divide num_attention_heads ${heads}`);
  const headSize = width / heads;
  config.only('head_dim', headSize, `heads are hidden_size / num_attention_heads = ${headSize} wide`);
  const epsilon = config.positive('rms_norm_eps', DEFAULTS.epsilon);
  const { kind, objective } = ownFacts(config);
  return {
    kind,
    model: {
      layers: config.count('num_hidden_layers', 200),
      width,
      heads,
      kv_heads: kvHeads,
      hidden_width: config.count('intermediate_size', 65_536),
      context_length: config.count('max_position_embeddings', 131_072, DEFAULTS.context),
      tied_head: config.boolean('tie_word_embeddings', false),
      rope_theta: ropeTheta(config),
      vocab_size: config.count('vocab_size', 2 ** 20),
      attention: 'causal',
      objective,
      ...(epsilon === DEFAULT_NORM_EPSILON ? {} : { norm_epsilon: epsilon }),
    },
  };
}

/** `rope_theta` of older versions, `rope_parameters` of newer ones; what scales positions is refused. */
function ropeTheta(config: ConfigReader): number {
  config.absent('rope_scaling', 'positions are not scaled');
  config.only('partial_rotary_factor', 1, 'whole heads are rotated');
  const old = config.get('rope_theta') === undefined ? undefined : config.positive('rope_theta');
  const parameters = config.get('rope_parameters');
  let theta = old;
  if (parameters !== undefined) {
    if (typeof parameters !== 'object') config.fail('rope_parameters', 'must be an object');
    const rope = new ConfigReader('config.json', parameters as Record<string, unknown>);
    rope.only('rope_type', 'default', 'positions are not scaled');
    rope.only('partial_rotary_factor', 1, 'whole heads are rotated');
    theta = rope.positive('rope_theta', old ?? DEFAULTS.theta);
    if (old !== undefined && theta !== old)
      config.fail('rope_theta', `is ${old}, but rope_parameters.rope_theta is ${theta}`);
  }
  theta ??= DEFAULTS.theta;
  if (theta <= 1) config.fail('rope_theta', `is ${theta}; it must be above 1`);
  return theta;
}

/** What our own exports say; of any other model only that it continues text. */
function ownFacts(config: ConfigReader) {
  const own = config.get('trainyard') as { kind?: unknown; objective?: unknown } | undefined;
  const kind = own?.kind === 'base' || own?.kind === 'assistant' ? own.kind : undefined;
  const objective = OBJECTIVES.find((name) => name !== 'masked' && name === own?.objective) ?? 'next_word';
  return { kind, objective } as const;
}
