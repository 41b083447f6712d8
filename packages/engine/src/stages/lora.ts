import * as tf from '@tensorflow/tfjs-core';
import { adapterNames, LORA_TARGETS, TrainyardError } from '@trainyard/contracts';
import { fromHost, type HostTensors, toHost } from '../host-tensor.ts';
import { disposeParameters, loadParameters, lookup, type ParameterLookup } from '../model/parameters.ts';
import { random } from '../random.ts';

/** Low-rank adaptation: W + alpha / rank * B A for each targeted projection of every layer (Hu et al. 2021). */
export interface LoraConfig {
  rank: number;
  alpha: number;
  targets: readonly (typeof LORA_TARGETS)[number][];
}

/** Throws invalid_config naming the field; `weights` are those to adapt. */
export function validateLora(lora: LoraConfig, weights: HostTensors): void {
  const invalid = (field: string, message: string) =>
    new TrainyardError('invalid_config', message, { param: `lora.${field}` });
  if (!Number.isInteger(lora.rank) || lora.rank < 1)
    throw invalid('rank', 'lora.rank must be an integer >= 1.');
  if (!(lora.alpha > 0)) throw invalid('alpha', 'lora.alpha must be > 0.');
  if (lora.targets.length === 0)
    throw invalid('targets', `lora.targets must name one of ${LORA_TARGETS.join(', ')}.`);
  for (const name of adaptedNames(Object.keys(weights), lora)) {
    const smaller = Math.min(...weights[name]!.shape);
    if (lora.rank > smaller) {
      throw invalid(
        'rank',
        `lora.rank must be at most ${smaller}, the smaller side of ${name}; it is ${lora.rank}.`,
      );
    }
  }
}

/** Those of the model's parameters that the adapters change, in the order given. */
export function adaptedNames(names: Iterable<string>, lora: LoraConfig): string[] {
  const suffixes = lora.targets.map((target) => `.${target}.weight`);
  return [...names].filter((name) => suffixes.some((suffix) => name.endsWith(suffix)));
}

/** A uniform in +-1/sqrt(in) (PEFT's Kaiming initialisation), B zero: the adapted model starts as the base model. */
export function initAdapters(weights: HostTensors, lora: LoraConfig, seed: number): HostTensors {
  const adapters: HostTensors = {};
  for (const name of adaptedNames(Object.keys(weights), lora)) {
    const [outputs, inputs] = weights[name]!.shape as [number, number];
    const { a, b } = adapterNames(name);
    const next = random(seed, 'lora', a);
    const bound = 1 / Math.sqrt(inputs);
    const data = Float32Array.from({ length: lora.rank * inputs }, () => (2 * next() - 1) * bound);
    adapters[a] = { dtype: 'float32', shape: [lora.rank, inputs], data };
    adapters[b] = {
      dtype: 'float32',
      shape: [outputs, lora.rank],
      data: new Float32Array(outputs * lora.rank),
    };
  }
  return adapters;
}

/** Parameters with the adapters added to those that are `adapted`; call inside tf.tidy, since that makes new tensors. */
export function adaptedLookup(
  base: ParameterLookup,
  adapters: ParameterLookup,
  adapted: readonly string[],
  lora: LoraConfig,
): ParameterLookup {
  const scale = lora.alpha / lora.rank;
  const names = new Set(adapted);
  return (name) => {
    const weight = base(name);
    if (!names.has(name)) return weight;
    const { a, b } = adapterNames(name);
    // Scaling the small factor costs rank * in multiplications instead of out * in.
    return tf.add(weight, tf.matMul(adapters(b) as tf.Tensor2D, tf.mul(adapters(a), scale) as tf.Tensor2D));
  };
}

/** Weights with the adapters added in: an ordinary model, equal to the adapted one on the same backend. */
export async function mergeAdapters(
  weights: HostTensors,
  adapters: HostTensors,
  lora: LoraConfig,
): Promise<HostTensors> {
  const names = adaptedNames(Object.keys(weights), lora);
  const loaded = loadParameters(adapters);
  const merged = tf.tidy(() => {
    const adapted = adaptedLookup((name) => fromHost(weights[name]!), lookup(loaded), names, lora);
    return names.map((name) => adapted(name));
  });
  const host = await toHost(new Map(names.map((name, i) => [name, merged[i]!])));
  tf.dispose(merged);
  disposeParameters(loaded);
  return { ...weights, ...host };
}
