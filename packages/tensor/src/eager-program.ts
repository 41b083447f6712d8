import * as tf from '@tensorflow/tfjs-core';
import { type Functions, mapValues, type Program, refuseUnknown, type Tensors } from './program.ts';

/** Runs functions on a state op by op, on whatever backend there is. */
export class EagerProgram<Name extends string> implements Program<Name> {
  readonly #functions: Functions<Name>;
  readonly #state: Tensors;

  /** Takes `state` over. */
  constructor(functions: Functions<Name>, state: Tensors) {
    this.#functions = functions;
    this.#state = mapValues(state, (tensor) => tf.keep(tensor));
  }

  run(name: Name, inputs: Tensors): Tensors {
    const { outputs, state = {} } = tf.tidy(() => {
      const result = this.#functions[name](this.#state, inputs);
      for (const part of Object.keys(result.state ?? {})) if (!this.#state[part]) refuseUnknown(part);
      return result;
    });
    const before = Object.keys(state).map((part) => this.#state[part]!);
    Object.assign(
      this.#state,
      mapValues(state, (value) => tf.keep(value)),
    );
    const held = new Set(Object.values(this.#state));
    for (const tensor of before) if (!held.has(tensor)) tensor.dispose();
    return outputs;
  }

  read(names = Object.keys(this.#state)): Tensors {
    return Object.fromEntries(names.map((name) => [name, tf.clone(this.#state[name]!)]));
  }

  write(values: Tensors): void {
    for (const [name, value] of Object.entries(values)) {
      this.#state[name]!.dispose();
      this.#state[name] = tf.keep(tf.clone(value));
    }
  }

  dispose(): void {
    tf.dispose(this.#state);
  }
}
