import { DEFAULT_NORM_EPSILON, type StoredModel } from '@trainyard/contracts';
import type { ModelConfig } from './model-config.ts';

/** The engine's configuration of a stored model. */
export const toModelConfig = (stored: StoredModel): ModelConfig => ({
  vocabSize: stored.vocab_size,
  contextLength: stored.context_length,
  layers: stored.layers,
  width: stored.width,
  heads: stored.heads,
  kvHeads: stored.kv_heads,
  hiddenWidth: stored.hidden_width,
  ropeTheta: stored.rope_theta,
  normEpsilon: stored.norm_epsilon ?? DEFAULT_NORM_EPSILON,
  tiedHead: stored.tied_head,
  attention: stored.attention,
});
