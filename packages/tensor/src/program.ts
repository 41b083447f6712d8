import type * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';

export type Tensors = Record<string, tf.Tensor>;

/**
 * What a step computes: outputs, and those parts of the state that it changes. It must be a function of its arguments
 * alone, made of TensorFlow.js operations; it may be called once and then stand for every later run.
 */
export type StepFunction = (state: Tensors, inputs: Tensors) => { outputs: Tensors; state?: Tensors };
export type Functions<Name extends string> = Record<Name, StepFunction>;

/** Functions that share a state. */
export interface Program<Name extends string> {
  /** Runs one function and changes the state as it says. The caller disposes of the outputs. */
  run(name: Name, inputs: Tensors): Tensors;
  /** Tensors with the state as it is now, all of it unless named; the caller disposes of them. */
  read(names?: string[]): Tensors;
  /** Replaces parts of the state; the caller keeps the tensors. */
  write(values: Tensors): void;
  dispose(): void;
}

export function refuseUnknown(name: string): never {
  throw new TrainyardError('internal', `A step changes "${name}", which is not in its state.`);
}

export const mapValues = <T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
