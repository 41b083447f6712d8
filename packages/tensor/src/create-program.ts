import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { EagerProgram } from './eager-program.ts';
import { CompiledProgram } from './graph/compiled-program.ts';
import type { Functions, Program, Tensors } from './program.ts';

export type Execution = 'compiled' | 'eager';

/** Compiled where the backend is libtensorflow. */
export const preferredExecution = (): Execution => (tf.getBackend() === 'tensorflow' ? 'compiled' : 'eager');

/**
 * Functions on a state, compiled into a TensorFlow graph where the backend is libtensorflow, else run op by op.
 * Takes the tensors of `state` over.
 * @throws TrainyardError unavailable for `compiled` on another backend; internal, at a function's first run, when its
 *   graph cannot be built.
 */
export function createProgram<Name extends string>(
  functions: Functions<Name>,
  state: Tensors,
  execution: Execution = preferredExecution(),
): Program<Name> {
  if (execution === 'compiled' && preferredExecution() !== 'compiled')
    throw new TrainyardError('unavailable', 'Compiled steps need the backend tensorflow.', {
      param: 'execution',
    });
  return execution === 'compiled'
    ? new CompiledProgram(functions, state)
    : new EagerProgram(functions, state);
}
