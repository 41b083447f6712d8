import { type HostTensors, initParameters, type ModelConfig, random } from '../src/index.ts';

/** A model that trains in milliseconds. */
export function tinyConfig(changes: Partial<ModelConfig> = {}): ModelConfig {
  return {
    vocabSize: 17,
    contextLength: 16,
    layers: 2,
    width: 16,
    heads: 4,
    kvHeads: 2,
    hiddenWidth: 24,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tiedHead: true,
    attention: 'causal',
    ...changes,
  };
}

/** Fresh weights made ten times larger, and uneven gains, so that attention is far from uniform. */
export function strongWeights(config: ModelConfig, seed: number): HostTensors {
  const host = initParameters(config, seed);
  const uniform = random(seed, 'gains');
  for (const { shape, data } of Object.values(host)) {
    for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 0.5 + uniform() : data[i]! * 10;
  }
  return host;
}

export function randomTokens(length: number, config: ModelConfig, ...stream: string[]): Int32Array {
  const uniform = random(7, ...stream);
  return Int32Array.from({ length }, () => Math.floor(uniform() * config.vocabSize));
}
