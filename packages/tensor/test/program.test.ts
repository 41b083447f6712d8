import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  complexProduct,
  createProgram,
  type Execution,
  loadBackend,
  type Tensors,
  updateSlots,
} from '../src/index.ts';

const { name } = await loadBackend({ prefer: 'auto' });
const compilable = name === 'tensorflow';
const EXECUTIONS: Execution[] = compilable ? ['compiled', 'eager'] : ['eager'];

const values = (tensors: Tensors) => {
  const read = Object.fromEntries(
    Object.entries(tensors).map(([key, tensor]) => [key, [...tensor.dataSync()]]),
  );
  tf.dispose(tensors);
  return read;
};
/** Sums up what it is given and counts its runs. */
const summing = {
  add: ({ total, count }: Tensors, { x }: Tensors) => ({
    outputs: { mean: tf.mean(x!), before: tf.clone(total!) },
    state: { total: tf.add(total!, tf.sum(x!)), count: tf.add(count!, 1) },
  }),
  double: ({ total }: Tensors) => ({ outputs: { ok: tf.scalar(1) }, state: { total: tf.mul(total!, 2) } }),
};
const zero = () => ({ total: tf.scalar(0), count: tf.scalar(0), untouched: tf.tensor1d([1, 2]) });

describe.each(EXECUTIONS)('a program, %s', (execution) => {
  it('keeps its state between runs, functions and input shapes; leaves no tensor', () => {
    const before = tf.memory().numTensors;
    const program = createProgram(summing, zero(), execution);
    const run = (...x: number[]) => {
      const fed = tf.tensor1d(x);
      const outputs = values(program.run('add', { x: fed }));
      fed.dispose();
      return outputs;
    };
    expect(values(program.read(['total']))).toEqual({ total: [0] });
    expect(run(1, 3)).toEqual({ mean: [2], before: [0] });
    expect(run(5, 7)).toEqual({ mean: [6], before: [4] });
    expect(values(program.run('double', {}))).toEqual({ ok: [1] });
    expect(run(1, 2, 3)).toEqual({ mean: [2], before: [32] });
    expect(run(2, 2)).toEqual({ mean: [2], before: [38] });
    expect(values(program.read())).toEqual({ total: [42], count: [4], untouched: [1, 2] });
    program.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes another state, before its first run and after, and copies neither way', () => {
    const before = tf.memory().numTensors;
    const program = createProgram(summing, zero(), execution);
    const other = { total: tf.scalar(10) };
    program.write(other);
    const kept = program.read(['total']);
    values(program.run('double', {}));
    expect(values(program.read(['total', 'count']))).toEqual({ total: [20], count: [0] });
    program.write(other);
    values(program.run('double', {}));
    expect(values(program.read(['total']))).toEqual({ total: [20] });
    expect([values(kept), [...other.total.dataSync()]]).toEqual([{ total: [10] }, [10]]);
    other.total.dispose();
    program.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('differentiates, and swaps parts of its state', () => {
    const program = createProgram(
      {
        step: ({ a, b }: Tensors) => {
          const { value, grads } = tf.valueAndGrads((x: tf.Tensor, y: tf.Tensor) =>
            tf.sum(tf.mul(tf.square(x), y)),
          )([a!, b!]);
          return { outputs: { value, da: grads[0]!, db: grads[1]! }, state: { a: b!, b: a! } };
        },
      },
      { a: tf.tensor1d([1, 2]), b: tf.tensor1d([3, 4]) },
      execution,
    );
    expect(values(program.run('step', {}))).toEqual({ value: [19], da: [6, 16], db: [1, 4] });
    expect(values(program.run('step', {}))).toEqual({ value: [41], da: [6, 16], db: [9, 16] });
    program.dispose();
  });

  it('says what a function does that it may not, and goes on', () => {
    const program = createProgram(
      {
        ...summing,
        unknown: () => ({ outputs: { ok: tf.scalar(1) }, state: { nowhere: tf.scalar(1) } }),
      },
      zero(),
      execution,
    );
    expect(() => program.run('unknown', {})).toThrow(/changes "nowhere", which is not in its state/);
    expect(values(program.run('double', {}))).toEqual({ ok: [1] });
    program.dispose();
  });
});

if (compilable) {
  describe('a compiled function', () => {
    const compile = (step: (state: Tensors, inputs: Tensors) => tf.Tensor) =>
      createProgram(
        { step: (state: Tensors, inputs: Tensors) => ({ outputs: { y: step(state, inputs) } }) },
        { w: tf.tensor1d([1, 2, 3]) },
      );

    it('is traced once for each shape of its inputs', () => {
      let traces = 0;
      const program = compile(({ w }, { x }) => {
        traces += 1;
        return tf.mul(w!, x!);
      });
      for (const x of [tf.scalar(2), tf.scalar(3), tf.tensor1d([1, 0, 1])])
        program.run('step', { x }).y!.dispose();
      expect(traces).toBe(3); // the second shape's graph holds the first one's again
      program.run('step', { x: tf.scalar(5) }).y!.dispose();
      expect(traces).toBe(3);
      program.dispose();
    });

    it('refuses what it would freeze: values that are looked at, tensors from outside', () => {
      const backend = tf.getBackend();
      const peeking = compile(({ w }) => tf.scalar(w!.dataSync()[0]!));
      expect(() => peeking.run('step', {})).toThrow(/looks at the value/);
      const outside = tf.tensor1d([1, 1, 1]);
      const capturing = compile(({ w }) => tf.add(w!, outside));
      expect(() => capturing.run('step', {})).toThrow(/made outside of it/);
      expect(tf.getBackend()).toBe(backend);
      expect([...outside.dataSync()]).toEqual([1, 1, 1]);
      for (const each of [peeking, capturing, { dispose: () => outside.dispose() }]) each.dispose();
    });

    it('that TensorFlow refuses is an error that names the operation; the process goes on', () => {
      const program = compile(({ w }, { ids }) => tf.gather(w!, ids as tf.Tensor1D));
      const ids = tf.tensor1d([0, 9], 'int32');
      expect(() => program.run('step', { ids })).toThrow(/GatherV2/);
      const good = tf.tensor1d([2, 0], 'int32');
      expect(values(program.run('step', { ids: good }))).toEqual({ y: [3, 1] });
      tf.dispose([ids, good]);
      program.dispose();
    });

    it('multiplies complex numbers', () => {
      const multiply = (_: Tensors, { a, b }: Tensors) => ({
        outputs: { product: complexProduct(a as tf.Tensor2D, b as tf.Tensor2D) },
      });
      const program = createProgram({ multiply }, { unused: tf.scalar(0) });
      const inputs = { a: tf.tensor2d([[1, 2, 3, 4]]), b: tf.tensor2d([[5, 6, 0, -1]]) };
      expect(values(program.run('multiply', inputs))).toEqual({ product: [-7, 16, 4, -3] });
      tf.dispose(inputs);
      program.dispose();
    });

    it('writes slots of a cache in place', () => {
      const program = createProgram(
        {
          put: ({ cache }: Tensors, { value, slot }: Tensors) => {
            const updated = updateSlots(cache as tf.Tensor4D, value as tf.Tensor4D, slot as tf.Scalar);
            return { outputs: { sum: tf.sum(updated) }, state: { cache: updated } };
          },
        },
        { cache: tf.zeros([2, 1, 4, 1]) },
      );
      const put = (slot: number, ...value: number[]) => {
        const inputs = {
          value: tf.tensor4d(value, [2, 1, value.length / 2, 1]),
          slot: tf.scalar(slot, 'int32'),
        };
        const outputs = values(program.run('put', inputs));
        tf.dispose(inputs);
        return outputs;
      };
      expect(put(1, 1, 2)).toEqual({ sum: [3] });
      expect(put(2, 3, 4, 5, 6)).toEqual({ sum: [21] });
      expect(values(program.read())).toEqual({ cache: [0, 1, 3, 4, 0, 2, 5, 6] });
      program.dispose();
    });
  });
} else
  it('cannot be compiled without libtensorflow', () => {
    expect(() => createProgram(summing, zero(), 'compiled')).toThrow(/need the backend tensorflow/);
  });
