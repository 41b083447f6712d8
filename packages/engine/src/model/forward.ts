import * as tf from '@tensorflow/tfjs-core';
import { attention, causalMask, maskForGroups, type Projections } from './attention.ts';
import { type Dropout, drop } from './dropout.ts';
import { embedding } from './embedding.ts';
import type { ModelConfig } from './model-config.ts';
import { normalise } from './normalise.ts';
import { EMBEDDING, FINAL_NORM, HEAD, type ParameterLookup } from './parameters.ts';
import { rotaryAt, rotaryTable } from './rotary.ts';
import { scaledLinear } from './scaled-linear.ts';
import { swiglu } from './swiglu.ts';

export interface ForwardOptions {
  /** int32 [B,T]; 0..T-1 unless given (sequences packed into one row restart at 0). */
  positions?: tf.Tensor2D;
  /** Additive float32 [B or 1, 1, T, T], 0 or -1e9; by the config's attention unless given. */
  mask?: tf.Tensor4D;
  /** On what attention and feed-forward add to the residual stream; training only. */
  dropout?: Dropout;
}

/** Attention of one layer -> [N, width]. */
type Attend = (projections: Projections, layer: number) => tf.Tensor2D;

/** Hidden states after the final norm: tokens int32 [B,T] -> [B,T,width]. */
export function forward(
  parameters: ParameterLookup,
  config: ModelConfig,
  tokens: tf.Tensor2D,
  { positions, mask, dropout }: ForwardOptions = {},
): tf.Tensor3D {
  const [batch, length] = tokens.shape;
  const table = rotaryTable(config, positions ? config.contextLength : length);
  const rotary = rotaryAt(table, positions);
  const chosen = mask ?? (config.attention === 'causal' ? causalMask(length) : undefined);
  const grouped = chosen && maskForGroups(chosen, config);
  const attend: Attend = (projections) => attention(projections, config, batch, rotary, grouped);
  const hidden = decode(parameters, config, tf.reshape(tokens, [batch * length]), attend, dropout);
  return tf.reshape(hidden, [batch, length, config.width]);
}

/** The layers without their attention, which training and cached generation do differently. tokens int32 [N]. */
export function decode(
  parameters: ParameterLookup,
  config: ModelConfig,
  tokens: tf.Tensor1D,
  attend: Attend,
  dropout?: Dropout,
): tf.Tensor2D {
  let x = embedding(parameters(EMBEDDING), tokens);
  for (let layer = 0; layer < config.layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}.weight`;
    const weight = (part: string) => parameters(name(part));
    const queryKeyValue = ['q', 'k', 'v'].map((part) => weight(`self_attn.${part}_proj`));
    const before = normalise(x, config.normEpsilon);
    const projections = jointLinear(before, weight('input_layernorm'), queryKeyValue) as Projections;
    const context = attend(projections, layer);
    x = tf.add(x, drop(linear(context, weight('self_attn.o_proj')), 2 * layer, dropout));
    const input = normalise(x, config.normEpsilon);
    const [gate, up] = ['gate', 'up'].map((part) =>
      scaledLinear(input, weight('post_attention_layernorm'), weight(`mlp.${part}_proj`)),
    );
    const added = swiglu(gate!, up!, weight('mlp.down_proj'));
    x = tf.add(x, drop(added, 2 * layer + 1, dropout));
  }
  return tf.mul(normalise(x, config.normEpsilon), parameters(FINAL_NORM));
}

/** Scores over the vocabulary: hidden [N,width] -> [N,V]. */
export function logits(parameters: ParameterLookup, config: ModelConfig, hidden: tf.Tensor2D): tf.Tensor2D {
  return linear(hidden, head(parameters, config));
}

/** The output projection [V,width]. */
export function head(parameters: ParameterLookup, config: ModelConfig): tf.Tensor2D {
  return parameters(config.tiedHead ? EMBEDDING : HEAD) as tf.Tensor2D;
}

/** `scaledLinear` for several weights: one product where there are many rows, which outweigh joining the weights. */
function jointLinear(x: tf.Tensor2D, gain: tf.Tensor, weights: tf.Tensor[]): tf.Tensor2D[] {
  const [rows, width] = x.shape;
  if (rows < width) return weights.map((weight) => scaledLinear(x, gain, weight));
  const sizes = weights.map((weight) => weight.shape[0]!);
  return tf.split<tf.Tensor2D>(scaledLinear(x, gain, tf.concat(weights, 0)), sizes, 1);
}

/** x [N,in] times the transpose of weight [out,in]. */
function linear(x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
  return tf.matMul(x, weight as tf.Tensor2D, false, true);
}
