import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError, weightShapes } from '@trainyard/contracts';
import { fromHost, type HostTensors } from '../host-tensor.ts';
import { normal, random } from '../random.ts';
import { type ModelConfig, validateModelConfig } from './model-config.ts';

/** Weights by name; the holder disposes of them with `disposeParameters`. */
export type Parameters = Map<string, tf.Tensor>;

/** Finds a weight by name. Adapters answer with a tensor computed from several weights. */
export type ParameterLookup = (name: string) => tf.Tensor;

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const HEAD = 'lm_head.weight';

/** Shapes by Hugging Face's names for Llama; matrices are [out, in]. */
function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const { layers, width, heads } = config;
  return weightShapes({
    layers,
    width,
    heads,
    kv_heads: config.kvHeads,
    hidden_width: config.hiddenWidth,
    vocab_size: config.vocabSize,
    tied_head: config.tiedHead,
  });
}

/**
 * Fresh weights: norms 1, matrices normal with deviation 0.02, the projections that write into the residual stream
 * 0.02 / sqrt(2 * layers) (Radford et al. 2019, GPT-2, section 2.3). Each tensor has a random stream of its own.
 */
export function initParameters(config: ModelConfig, seed: number): HostTensors {
  validateModelConfig(config);
  const host: HostTensors = {};
  for (const [name, shape] of parameterShapes(config)) {
    const data = new Float32Array(tf.util.sizeFromShape(shape));
    if (shape.length === 1) data.fill(1);
    else {
      const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
      const deviation = residual ? 0.02 / Math.sqrt(2 * config.layers) : 0.02;
      const uniform = random(seed, 'init', name);
      for (let i = 0; i < data.length; i++) data[i] = deviation * normal(uniform);
    }
    host[name] = { dtype: 'float32', shape, data };
  }
  return host;
}

/** Uploads weights. */
export function loadParameters(host: HostTensors): Parameters {
  const parameters: Parameters = new Map();
  for (const name of Object.keys(host)) {
    parameters.set(name, tf.keep(fromHost(host[name]!)));
  }
  return parameters;
}

/** @throws TrainyardError incompatible_checkpoint when the weights are not those of `config`. */
export function checkParameters(host: HostTensors, config: ModelConfig): void {
  for (const [name, shape] of parameterShapes(config)) {
    const found = host[name]?.shape;
    if (found?.join() !== shape.join()) {
      const has = found ? `has shape [${found}]` : 'is missing';
      throw new TrainyardError(
        'incompatible_checkpoint',
        `Weight ${name} ${has}, but the model config needs [${shape}].`,
      );
    }
  }
}

export function disposeParameters(parameters: Parameters): void {
  tf.dispose([...parameters.values()]);
  parameters.clear();
}

export function lookup(parameters: ReadonlyMap<string, tf.Tensor>): ParameterLookup {
  return (name) => {
    const tensor = parameters.get(name);
    if (!tensor) throw new TrainyardError('incompatible_checkpoint', `The model has no weight ${name}.`);
    return tensor;
  };
}
