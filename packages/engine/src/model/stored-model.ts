import type { ModelShape } from '@trainyard/contracts';
import type { Objective } from '../stages/objectives.ts';
import type { ModelConfig } from './model-config.ts';

/** A model's configuration as manifests, rows and the API spell it. */
export interface StoredModel extends ModelShape {
  vocab_size: number;
  attention: 'causal' | 'bidirectional';
  /** What it was pre-trained on: decides how a gap in a text is shown to it. */
  objective: Objective;
}

const NORM_EPSILON = 1e-5;

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
  normEpsilon: NORM_EPSILON,
  tiedHead: stored.tied_head,
  attention: stored.attention,
});
