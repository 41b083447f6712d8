import * as tf from '@tensorflow/tfjs-core';

interface Differentiable<Output extends tf.Tensor> {
  value: Output;
  /** From the gradient of the value (and what was saved) to one gradient per input. */
  gradient: (dy: Output, saved: tf.Tensor[]) => tf.Tensor[];
}

/**
 * An operation with a hand-written gradient. Every op of eager TensorFlow.js costs about 24 us, so one formula for a
 * whole block is much faster than the chain rule over its parts. What the gradient needs must go through `save`:
 * any other tensor made inside is gone by then.
 */
export function withGradient<Output extends tf.Tensor>(
  inputs: tf.Tensor[],
  compute: (save: (tensors: tf.Tensor[]) => void) => Differentiable<Output>,
): Output {
  const operation = tf.customGrad<Output>((...argumentsAndSave) => {
    const { value, gradient } = compute(argumentsAndSave.at(-1) as tf.GradSaveFunc);
    return { value, gradFunc: gradient };
  });
  return operation(...inputs);
}
