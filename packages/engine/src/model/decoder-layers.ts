import * as tf from '@tensorflow/tfjs-core';
import { complexProduct, type Tensors } from '@trainyard/tensor';
import type { Projections } from './attention.ts';
import { embedding } from './embedding.ts';
import { head } from './forward.ts';
import { headWidth, type ModelConfig } from './model-config.ts';
import { normalise } from './normalise.ts';
import { pairedHead, pairedRotaryTable } from './paired-rotary.ts';
import { EMBEDDING, FINAL_NORM, lookup, type Parameters } from './parameters.ts';
import { swiglu } from './swiglu.ts';

/*
 * The layers for one token a sequence, where a call costs as much as the number of its operations: queries, keys and
 * values by one product, rotated by another; the norms' gains lie in the weights that follow them.
 */

const OUTPUT = 'output';
const projectionName = (layer: number): string => `projection.${layer}`;
const weightName = (layer: number, part: string): string => `model.layers.${layer}.${part}.weight`;

/** Of the weights of a model those that `decoderLayers` and `decoderScores` read; matrices are [in, out]. */
export function decoderWeights(params: Parameters, config: ModelConfig): Tensors {
  const parameter = lookup(params);
  const scaled = (matrix: tf.Tensor, gain: tf.Tensor) => tf.transpose(tf.mul(matrix, gain));
  const weights: Tensors = {
    [EMBEDDING]: tf.clone(parameter(EMBEDDING)),
    [OUTPUT]: scaled(head(parameter, config), parameter(FINAL_NORM)),
  };
  const paired = (matrix: tf.Tensor, heads: number) => tf.gather(matrix, pairedHead(config, heads));
  for (let layer = 0; layer < config.layers; layer++) {
    const weight = (part: string) => parameter(weightName(layer, part));
    const [query, key, value] = ['q', 'k', 'v'].map((part) => weight(`self_attn.${part}_proj`));
    const joined = tf.concat([paired(query!, config.heads), paired(key!, config.kvHeads), value!], 0);
    weights[projectionName(layer)] = scaled(joined, weight('input_layernorm'));
    for (const part of ['gate', 'up'].map((name) => `mlp.${name}_proj`))
      weights[weightName(layer, part)] = scaled(weight(part), weight('post_attention_layernorm'));
    for (const part of ['self_attn.o_proj', 'mlp.down_proj'])
      weights[weightName(layer, part)] = tf.transpose(weight(part));
  }
  return weights;
}

/** Residual stream after the last layer: tokens and positions int32 [N] -> [N,width]. */
export function decoderLayers(
  weights: Tensors,
  config: ModelConfig,
  tokens: tf.Tensor1D,
  positions: tf.Tensor1D,
  attend: (projections: Projections, layer: number) => tf.Tensor2D,
): tf.Tensor2D {
  const { layers, heads, kvHeads, normEpsilon } = config;
  const sizes = [heads, kvHeads, kvHeads].map((count) => count * headWidth(config));
  const turns = tf.gather(pairedRotaryTable(config), positions);
  let x = embedding(weights[EMBEDDING]!, tokens);
  for (let layer = 0; layer < layers; layer++) {
    const times = (input: tf.Tensor2D, part: string): tf.Tensor2D =>
      tf.matMul(input, weights[weightName(layer, part)] as tf.Tensor2D);
    const joined: tf.Tensor2D = tf.matMul(
      normalise(x, normEpsilon),
      weights[projectionName(layer)] as tf.Tensor2D,
    );
    const projections = tf.split(complexProduct(joined, turns), sizes, 1) as Projections;
    x = tf.add(x, times(attend(projections, layer), 'self_attn.o_proj'));
    const input = normalise(x, normEpsilon);
    const down = tf.transpose(weights[weightName(layer, 'mlp.down_proj')]!);
    x = tf.add(x, swiglu(times(input, 'mlp.gate_proj'), times(input, 'mlp.up_proj'), down));
  }
  return x;
}

/** Scores over the vocabulary: [N,width] of the residual stream -> [N,V]. */
export function decoderScores(weights: Tensors, config: ModelConfig, x: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(normalise(x, config.normEpsilon), weights[OUTPUT] as tf.Tensor2D);
}
