import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { applyAdam, sumOfSquares, type Tensors } from '@trainyard/tensor';
import { fromHost, type HostTensors, scalar } from '../host-tensor.ts';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  /** Decoupled; matrices only. */
  weightDecay: number;
  /** Largest global gradient norm; 0 for no limit. */
  gradientClip: number;
}

const EPSILON = 1e-8;

export const firstMoment = (name: string): string => `m.${name}`;
export const secondMoment = (name: string): string => `v.${name}`;

/** What changes from update to update, as scalars to feed: `update` counts from 1. */
export function adamwInputs(
  { beta1, beta2, weightDecay }: AdamWOptions,
  learningRate: number,
  update: number,
): HostTensors {
  const correction = Math.sqrt(1 - beta2 ** update);
  return {
    rate: scalar((learningRate * correction) / (1 - beta1 ** update)),
    epsilon: scalar(EPSILON * correction),
    kept: scalar(1 - learningRate * weightDecay),
  };
}

/**
 * One AdamW update (Loshchilov and Hutter 2019) after clipping by the global norm. `state` has the weights by name and
 * their moments, `gradients` one tensor for each weight, `inputs` what `adamwInputs` made.
 * @returns the state that it changes, and the norm before clipping
 */
export function adamw(
  state: Tensors,
  gradients: ReadonlyMap<string, tf.Tensor>,
  inputs: Tensors,
  { beta1, beta2, weightDecay, gradientClip }: AdamWOptions,
): { state: Tensors; norm: tf.Scalar } {
  const norm = tf.sqrt(tf.addN([...gradients.values()].map(sumOfSquares))) as tf.Scalar;
  const clip = gradientClip > 0 ? tf.minimum(tf.div(gradientClip, norm), 1) : undefined;
  const [rate, epsilon] = [inputs.rate as tf.Scalar, inputs.epsilon as tf.Scalar];
  const changed: Tensors = {};
  for (const [name, gradient] of gradients) {
    const [weight, first, second] = [state[name]!, state[firstMoment(name)]!, state[secondMoment(name)]!];
    const updated = applyAdam(weight, { first, second }, clip ? tf.mul(gradient, clip) : gradient, {
      rate,
      epsilon,
      beta1,
      beta2,
      ...(weight.rank > 1 && weightDecay > 0 && { kept: inputs.kept as tf.Scalar }),
    });
    changed[name] = updated.weight;
    changed[firstMoment(name)] = updated.first;
    changed[secondMoment(name)] = updated.second;
  }
  return { state: changed, norm };
}

/**
 * The moments `m.<weight>` and `v.<weight>`: those saved, or zeros. The caller disposes of them.
 * @throws TrainyardError incompatible_checkpoint when a weight's moments are missing or of another shape.
 */
export function adamwMoments(weights: HostTensors, saved?: HostTensors): Tensors {
  const names = Object.keys(weights).flatMap((name) => [
    [name, firstMoment(name)] as const,
    [name, secondMoment(name)] as const,
  ]);
  for (const [name, moment] of saved ? names : [])
    if (saved![moment]?.shape.join() !== weights[name]!.shape.join())
      throw new TrainyardError(
        'incompatible_checkpoint',
        `The optimizer state has no ${moment} of shape [${weights[name]!.shape}]; the checkpoint belongs to another model.`,
      );
  return Object.fromEntries(
    names.map(([name, moment]) => [
      moment,
      saved ? fromHost(saved[moment]!) : tf.fill(weights[name]!.shape, 0),
    ]),
  );
}
