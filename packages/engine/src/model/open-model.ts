import * as tf from '@tensorflow/tfjs-core';
import { createProgram, type Execution, type Tensors } from '@trainyard/tensor';
import { type HostTensors, upload } from '../host-tensor.ts';
import { lookup, type ParameterLookup, type Parameters } from './parameters.ts';

/** Of weights and inputs alone, made of TensorFlow.js operations. */
type Measure = (weights: ParameterLookup, inputs: Tensors) => tf.Tensor;

export interface OpenModel<Name extends string> {
  /** The values of one function. */
  run(name: Name, inputs: HostTensors): Promise<Float32Array>;
  dispose(): void;
}

/** A model to be measured, its functions compiled where that is possible. The caller keeps `params`. */
export function openModel<Name extends string>(
  params: Parameters,
  functions: Record<Name, Measure>,
  execution?: Execution,
): OpenModel<Name> {
  const steps = Object.entries<Measure>(functions).map(([name, measure]) => [
    name,
    (state: Tensors, inputs: Tensors) => ({
      outputs: { values: measure(lookup(new Map(Object.entries(state))), inputs) },
    }),
  ]);
  const weights = Object.fromEntries([...params].map(([name, tensor]) => [name, tf.clone(tensor)]));
  const program = createProgram<Name>(Object.fromEntries(steps), weights, execution);
  return {
    async run(name, inputs) {
      const fed = upload(inputs);
      const { values } = program.run(name, fed);
      const data = (await values!.data()) as Float32Array;
      tf.dispose([...Object.values(fed), values!]);
      return data;
    },
    dispose: () => program.dispose(),
  };
}
