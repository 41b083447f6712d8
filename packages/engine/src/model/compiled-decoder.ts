import * as tf from '@tensorflow/tfjs-core';
import { createProgram, type Program, type Tensors, updateSlots } from '@trainyard/tensor';
import { float32, type HostTensors, int32, upload } from '../host-tensor.ts';
import {
  arrangeHeads,
  attentionWeights,
  HIDDEN,
  joinHeads,
  maskForGroups,
  type Projections,
} from './attention.ts';
import type { Decoder, Scores } from './decoder.ts';
import { decoderLayers, decoderScores, decoderWeights } from './decoder-layers.ts';
import { headWidth, type ModelConfig } from './model-config.ts';
import type { Parameters } from './parameters.ts';

/**
 * Prompts and batches are powers of two from here on, so that few shapes are compiled; slots, all of which every token
 * looks at, are multiples.
 */
const SMALLEST = 32;
/** Graphs kept at a time: each holds a cache, and on a GPU a copy of the weights. */
const KEPT = 3;

type Functions = 'prefill' | 'next';

interface Session {
  program: Program<Functions>;
  batch: number;
  slots: number;
  /** Whether it has the weights that were loaded last. */
  current: boolean;
}

/**
 * Decoding in compiled steps, keys and values in variables of the graph: [B, kvHeads, slots, head width] by layer, a
 * sequence's token at position p in slot p + padding. Batches are filled up to a power of two.
 */
export class CompiledDecoder implements Decoder {
  readonly #config: ModelConfig;
  readonly #sessions: Session[] = [];
  #weights: Tensors = {};
  #session: Session | undefined;
  #padding: number[] = [];
  #next = 0;

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  load(params: Parameters): void {
    tf.dispose(this.#weights);
    this.#weights = tf.tidy(() => decoderWeights(params, this.#config));
    for (const tensor of Object.values(this.#weights)) tf.keep(tensor);
    for (const session of this.#sessions) session.current = false;
  }

  async start(prompts: readonly Int32Array[], room: number): Promise<Scores> {
    const longest = Math.max(...prompts.map(({ length }) => length));
    const { contextLength } = this.#config;
    const padded = Math.min(powerOfTwo(longest, SMALLEST), contextLength - room);
    const slots = Math.min(Math.ceil((padded + room) / SMALLEST) * SMALLEST, contextLength);
    const batch = powerOfTwo(prompts.length, 1);
    this.#session = this.#open(batch, slots);
    this.#padding = Array.from({ length: batch }, (_, b) => padded - (prompts[b] ?? prompts[0]!).length);
    const tokens = new Int32Array(batch * padded);
    for (let b = 0; b < batch; b++) tokens.set(prompts[b] ?? prompts[0]!, b * padded + this.#padding[b]!);
    this.#next = padded;
    return this.#run('prefill', {
      tokens: int32(tokens),
      ...this.#layout(0, padded, padded),
    });
  }

  async extend(tokens: Int32Array): Promise<Scores> {
    const { batch, slots } = this.#session!;
    const filled = new Int32Array(batch);
    filled.set(tokens);
    const inputs = { tokens: int32(filled), ...this.#layout(this.#next, 1, slots) };
    this.#next += 1;
    return this.#run('next', inputs);
  }

  end(): void {
    this.#session = undefined;
  }

  dispose(): void {
    for (const { program } of this.#sessions) program.dispose();
    tf.dispose(this.#weights);
    this.#sessions.length = 0;
    this.#weights = {};
  }

  /** Where `count` tokens from slot `first` on stand, and which of the first `width` slots each may see. */
  #layout(first: number, count: number, width: number): HostTensors {
    const batch = this.#padding.length;
    const positions = new Int32Array(batch * count);
    const mask = new Float32Array(batch * count * width);
    this.#padding.forEach((empty, b) => {
      for (let i = 0; i < count; i++) {
        const row = (b * count + i) * width;
        positions[b * count + i] = Math.max(0, first + i - empty);
        mask.fill(HIDDEN, row, row + empty);
        mask.fill(HIDDEN, row + first + i + 1, row + width);
      }
    });
    return {
      positions: int32(positions),
      mask: float32(mask, [batch, 1, count, width]),
      slot: int32(Int32Array.of(first), []),
    };
  }

  async #run(name: Functions, inputs: HostTensors): Promise<Scores> {
    const session = this.#session!;
    if (!session.current) session.program.write(this.#weights);
    session.current = true;
    const fed = upload(inputs);
    const { scores } = session.program.run(name, fed);
    const values = (await scores!.data()) as Float32Array;
    tf.dispose([...Object.values(fed), scores!]);
    return values;
  }

  #open(batch: number, slots: number): Session {
    const known = this.#sessions.findIndex((each) => each.batch === batch && each.slots === slots);
    const session = known >= 0 ? this.#sessions.splice(known, 1)[0]! : this.#compile(batch, slots);
    this.#sessions.unshift(session);
    for (const { program } of this.#sessions.splice(KEPT)) program.dispose();
    return session;
  }

  #compile(batch: number, slots: number): Session {
    const config = this.#config;
    const weights = Object.fromEntries(
      Object.entries(this.#weights).map(([name, tensor]) => [name, tf.clone(tensor)]),
    );
    const shape = [batch, config.kvHeads, slots, headWidth(config)];
    const caches = Array.from({ length: config.layers }, (_, layer) => [
      [keyName(layer), tf.zeros(shape)],
      [valueName(layer), tf.zeros(shape)],
    ]).flat() as [string, tf.Tensor][];
    const step = (state: Tensors, inputs: Tensors) => extendCache(config, state, inputs, batch);
    return {
      program: createProgram<Functions>(
        { prefill: step, next: step },
        { ...weights, ...Object.fromEntries(caches) },
        'compiled',
      ),
      batch,
      slots,
      current: true,
    };
  }
}

/** The smallest power of two times `least` that is at least `size`. */
const powerOfTwo = (size: number, least: number): number =>
  least * 2 ** Math.max(0, Math.ceil(Math.log2(size / least)));

const keyName = (layer: number): string => `keys.${layer}`;
const valueName = (layer: number): string => `values.${layer}`;

/** Appends tokens int32 [B * count] to the cache; scores [B,V] after the last of them. */
function extendCache(
  config: ModelConfig,
  state: Tensors,
  { tokens, positions, mask, slot }: Tensors,
  batch: number,
): { outputs: Tensors; state: Tensors } {
  const count = tokens!.shape[0]! / batch;
  const width = mask!.shape[3]!;
  const grouped = maskForGroups(mask as tf.Tensor4D, config);
  const changed: Tensors = {};
  const append = (name: string, fresh: tf.Tensor4D): tf.Tensor4D => {
    const updated = updateSlots(state[name] as tf.Tensor4D, fresh, slot as tf.Scalar);
    changed[name] = updated;
    return count === width ? fresh : updated; // a prompt sees itself alone
  };
  const attend = (projections: Projections, layer: number): tf.Tensor2D => {
    const { queries, keys, values } = arrangeHeads(projections, config, batch);
    const heads = {
      queries,
      keys: append(keyName(layer), keys),
      values: append(valueName(layer), values),
    };
    return joinHeads(tf.matMul(attentionWeights(heads, grouped), heads.values), config);
  };
  const hidden = decoderLayers(state, config, tokens as tf.Tensor1D, positions as tf.Tensor1D, attend);
  const ends = Int32Array.from({ length: batch }, (_, b) => (b + 1) * count - 1);
  const newest = count === 1 ? hidden : tf.gather(hidden, tf.tensor1d(ends, 'int32'));
  return { outputs: { scores: decoderScores(state, config, newest) }, state: changed };
}
