import * as tf from '@tensorflow/tfjs-core';
import type { Decoder, Scores } from './decoder.ts';
import { disposeCache, extend, initCache, type KeyValueCache, keepSequences } from './kv-cache.ts';
import type { ModelConfig } from './model-config.ts';
import { lookup, type Parameters } from './parameters.ts';

/** Decoding op by op, with a cache that grows and a batch that shrinks. */
export class EagerDecoder implements Decoder {
  readonly #config: ModelConfig;
  #params: Parameters = new Map();
  #cache: KeyValueCache | undefined;

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  load(params: Parameters): void {
    this.#release();
    this.#params = new Map([...params].map(([name, tensor]) => [name, tf.keep(tf.clone(tensor))]));
  }

  async start(prompts: readonly Int32Array[]): Promise<Scores> {
    const longest = Math.max(...prompts.map(({ length }) => length));
    const padding = prompts.map(({ length }) => longest - length);
    const tokens = new Int32Array(prompts.length * longest);
    for (const [b, prompt] of prompts.entries()) tokens.set(prompt, b * longest + padding[b]!);
    this.#cache = initCache(this.#config, padding);
    return this.extend(tokens);
  }

  async extend(tokens: Int32Array): Promise<Scores> {
    const scores = extend(lookup(this.#params), this.#config, this.#cache!, tokens);
    const values = (await scores.data()) as Float32Array;
    scores.dispose();
    return values;
  }

  keep(sequences: number[]): void {
    keepSequences(this.#cache!, sequences);
  }

  end(): void {
    if (this.#cache) disposeCache(this.#cache);
    this.#cache = undefined;
  }

  dispose(): void {
    this.end();
    this.#release();
  }

  #release(): void {
    tf.dispose([...this.#params.values()]);
    this.#params = new Map();
  }
}
