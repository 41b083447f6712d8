import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { type HostTensors, toHost } from '../host-tensor.ts';

/**
 * Tensors that agree in all but their first dimension, updated as one tensor joined along it: a few dozen ops a step
 * instead of a dozen for each weight.
 */
interface Group {
  names: string[];
  /** First dimension of each member. */
  rows: number[];
  firstMoment: tf.Variable;
  secondMoment: tf.Variable;
}

export interface AdamWState {
  /** Updates made so far; the bias corrections are computed from it, so that a resumed run is bit-exact. */
  step: number;
  groups: Group[];
}

export interface AdamWOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled; matrices only. */
  weightDecay: number;
  /** Largest global gradient norm; 0 for no limit. */
  gradientClip: number;
}

type Tensors = ReadonlyMap<string, tf.Tensor>;

/** Zero moments for these weights. Dispose with `disposeAdamW`. */
export function initAdamW(parameters: Tensors): AdamWState {
  const members = new Map<string, string[]>();
  for (const [name, { shape }] of parameters) {
    const key = `${shape.length}:${shape.slice(1)}`;
    members.set(key, [...(members.get(key) ?? []), name]);
  }
  const groups = [...members.values()].map((names): Group => {
    const shapes = names.map((name) => parameters.get(name)!.shape);
    const rows = shapes.map((shape) => shape[0]!);
    const joint = [rows.reduce((sum, n) => sum + n, 0), ...shapes[0]!.slice(1)];
    return { names, rows, firstMoment: zeros(joint), secondMoment: zeros(joint) };
  });
  return { step: 0, groups };
}

/**
 * One AdamW step (Loshchilov and Hutter 2019) after clipping by the global norm; changes the weights and the state in
 * place. `gradients` has one tensor for each weight of the state. Returns the norm before clipping, which the caller
 * disposes of.
 */
export function adamwUpdate(
  parameters: ReadonlyMap<string, tf.Variable>,
  gradients: Tensors,
  state: AdamWState,
  options: AdamWOptions,
): tf.Scalar {
  state.step += 1;
  return tf.tidy(() => {
    const joined = state.groups.map(({ names }) => join(names, gradients));
    const squares = joined.map((gradient) => tf.mul(gradient, gradient));
    const norm = tf.sqrt(tf.addN(squares.map((square) => tf.sum(square)))) as tf.Scalar;
    const clip = options.gradientClip > 0 ? tf.minimum(tf.div(options.gradientClip, norm), 1) : tf.scalar(1);
    const clipSquared = tf.mul(clip, clip);
    state.groups.forEach((group, i) => {
      tf.tidy(() => {
        const gradient = tf.mul(joined[i]!, tf.mul(clip, 1 - options.beta1));
        const square = tf.mul(squares[i]!, tf.mul(clipSquared, 1 - options.beta2));
        updateGroup(group, parameters, gradient, square, state.step, options);
      });
    });
    return norm;
  });
}

/** `gradient` and `square` come scaled by 1 - beta. */
function updateGroup(
  { names, rows, firstMoment, secondMoment }: Group,
  parameters: ReadonlyMap<string, tf.Variable>,
  gradient: tf.Tensor,
  square: tf.Tensor,
  step: number,
  { learningRate, beta1, beta2, epsilon, weightDecay }: AdamWOptions,
): void {
  const correction = Math.sqrt(1 - beta2 ** step);
  const rate = (learningRate * correction) / (1 - beta1 ** step);
  const first = tf.add(tf.mul(firstMoment, beta1), gradient);
  const second = tf.add(tf.mul(secondMoment, beta2), square);
  const change = tf.div(tf.mul(first, rate), tf.add(tf.sqrt(second), epsilon * correction));
  const weights = join(names, parameters);
  const kept =
    weights.rank > 1 && weightDecay > 0 ? tf.mul(weights, 1 - learningRate * weightDecay) : weights;
  const updated = tf.split(tf.sub(kept, change), rows, 0);
  firstMoment.assign(first);
  secondMoment.assign(second);
  names.forEach((name, i) => {
    parameters.get(name)!.assign(updated[i]!);
  });
}

export function disposeAdamW(state: AdamWState): void {
  for (const group of state.groups) tf.dispose([group.firstMoment, group.secondMoment]);
  state.groups = [];
}

/** The moments as `m.<weight>` and `v.<weight>`. */
export async function adamwToHost(state: AdamWState): Promise<HostTensors> {
  const moments = new Map<string, tf.Tensor>();
  for (const { names, rows, firstMoment, secondMoment } of state.groups) {
    const parts = { m: tf.split(firstMoment, rows, 0), v: tf.split(secondMoment, rows, 0) };
    names.forEach((name, i) => {
      moments.set(`m.${name}`, parts.m[i]!).set(`v.${name}`, parts.v[i]!);
    });
  }
  const host = await toHost(moments);
  tf.dispose([...moments.values()]);
  return host;
}

/**
 * The state after `step` updates, from `adamwToHost`'s tensors.
 * @throws TrainyardError incompatible_checkpoint when a weight's moments are missing or of another shape.
 */
export function adamwFromHost(parameters: Tensors, host: HostTensors, step: number): AdamWState {
  const restore = (prefix: string): Map<string, tf.Tensor> => {
    const moments = new Map<string, tf.Tensor>();
    for (const [name, { shape }] of parameters) {
      const saved = host[`${prefix}.${name}`];
      if (saved?.shape.join() !== shape.join())
        throw new TrainyardError(
          'incompatible_checkpoint',
          `The optimizer state has no ${prefix}.${name} of shape [${shape}]; the checkpoint belongs to another model.`,
        );
      moments.set(name, tf.tensor(saved.data, shape, 'float32'));
    }
    return moments;
  };
  const state = initAdamW(parameters);
  state.step = step;
  tf.tidy(() => {
    const [first, second] = [restore('m'), restore('v')];
    for (const { names, firstMoment, secondMoment } of state.groups) {
      firstMoment.assign(join(names, first));
      secondMoment.assign(join(names, second));
    }
  });
  return state;
}

function join(names: string[], tensors: Tensors): tf.Tensor {
  return tf.concat(
    names.map((name) => tensors.get(name)!),
    0,
  );
}

function zeros(shape: number[]): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zeros(shape), false));
}
