import type * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import {
  AFTER,
  APPLY_ADAM,
  COMPLEX_PRODUCT,
  CROSS_ENTROPY,
  L2_LOSS,
  STATELESS_UNIFORM,
  UPDATE_SLOTS,
} from '../fused.ts';
import type { GraphBackend } from './graph-backend.ts';
import { control, nodeOf, type Output } from './graph-builder.ts';
import { emit, type Kernel } from './graph-kernel.ts';

const emitDecay = (graph: GraphBackend, weight: tf.TensorInfo, kept: tf.TensorInfo): tf.TensorInfo =>
  emit(graph, 'Mul', {
    inputs: [weight, kept],
    shape: weight.shape,
    dtype: weight.dtype,
    attributes: { T: { type: weight.dtype } },
  });

/** Operations that TensorFlow has as one and TensorFlow.js does not have at all. */
export const FUSED_KERNELS: Record<string, Kernel> = {
  [CROSS_ENTROPY]: ({ graph, inputs: { logits, labels } }) => {
    const { shape, dtype } = logits!;
    const loss = emit(graph, CROSS_ENTROPY, {
      inputs: [logits!, labels!],
      shape: [shape[0]!],
      dtype,
      attributes: { T: { type: dtype }, Tlabels: { type: 'int32' } },
    });
    const node = nodeOf(graph.get(loss).output);
    return [loss, graph.symbol(`${node}:1`, shape, dtype)];
  },
  [AFTER]: ({ graph, inputs: { x, cause } }) => {
    const waited = graph.graph.add('Identity', [graph.get(x!).output, control(graph.get(cause!).output)], {
      T: { type: x!.dtype },
    });
    return graph.symbol(waited, x!.shape, x!.dtype);
  },
  [L2_LOSS]: ({ graph, inputs: { x } }) =>
    emit(graph, L2_LOSS, { inputs: [x!], shape: [], dtype: x!.dtype, attributes: { T: { type: x!.dtype } } }),
  [STATELESS_UNIFORM]: ({ graph, inputs: { seed }, attrs }) => {
    const shape = attrs.shape as number[];
    return emit(graph, STATELESS_UNIFORM, {
      inputs: [graph.graph.ints(shape), seed!],
      shape,
      dtype: 'float32',
      attributes: { T: { type: 'int32' }, Tseed: { type: 'int32' }, dtype: { type: 'float32' } },
    });
  },
  [COMPLEX_PRODUCT]: ({ graph: backend, inputs: { a, b } }) => {
    const { graph } = backend;
    const [float, complex] = [{ type: 'float32' }, { type: 'complex64' }] as const;
    const int = { type: 'int32' } as const;
    const { shape } = a!;
    const reshape = (x: Output, to: number[]): Output =>
      graph.add('Reshape', [x, graph.ints(to)], { T: float, Tshape: int });
    const complexOf = (x: tf.TensorInfo): Output => {
      const pairs = reshape(backend.get(x).output, [x.shape[0]!, x.shape[1]! / 2, 2]);
      return graph.add('Bitcast', [pairs], { T: float, type: complex });
    };
    const product = graph.add('Mul', [complexOf(a!), complexOf(b!)], { T: complex });
    const pairs = graph.add('Bitcast', [product], { T: complex, type: float });
    return backend.symbol(reshape(pairs, shape), shape, 'float32');
  },
  // ResourceStridedSliceAssign would do, but makes every later read of the variable a copy.
  [UPDATE_SLOTS]: ({ graph: backend, inputs: { cache, value, slot } }) => {
    const { graph } = backend;
    const { variable, output } = backend.get(cache!);
    if (!variable)
      throw new TrainyardError('internal', 'A compiled step updates slots of what is not its state.');
    const { dtype, shape } = cache!;
    const [batch, heads, slots, size] = shape as [number, number, number, number];
    const count = value!.shape[2]!;
    const first = Int32Array.from(
      { length: batch * heads * count },
      (_, i) => Math.floor(i / count) * slots + (i % count),
    );
    const int = { T: { type: 'int32' } } as const;
    const rows = graph.add(
      'AddV2',
      [graph.constant(first, [first.length], 'int32'), backend.get(slot!).output],
      int,
    );
    const as = (tensor: Output, to: number[]): Output =>
      graph.add('Reshape', [tensor, graph.ints(to)], { T: { type: dtype }, Tshape: { type: 'int32' } });
    const written = graph.add(
      'InplaceUpdate',
      [as(output, [batch * heads * slots, size]), rows, as(backend.get(value!).output, [first.length, size])],
      { T: { type: dtype } },
    );
    return backend.symbol(as(written, shape), shape, dtype, { variable, inPlace: true });
  },
  [APPLY_ADAM]: ({ graph, inputs, attrs }) => {
    const { weight, m, v, gradient, rate, epsilon, kept } = inputs;
    const variables = [weight, m, v].map((tensor) => {
      const { variable } = graph.get(tensor!);
      if (!variable)
        throw new TrainyardError('internal', 'Adam in a compiled step updates what is not its state.');
      return variable;
    });
    const number = (value: number) => graph.graph.constant(Float32Array.of(value), [], 'float32');
    const of = (tensor: typeof rate) => graph.get(tensor!).output;
    const zero = number(0); // powers of the betas: rate and epsilon hold the corrections already
    const betas = [number(attrs.beta1 as number), number(attrs.beta2 as number)];
    const reads = variables.map(({ read }) => control(read));
    const handles = variables.map(({ handle }) => handle);
    const float = { type: 'float32' } as const;
    const decayed = kept
      ? graph.graph.add('AssignVariableOp', [handles[0]!, of(emitDecay(graph, weight!, kept)), ...reads], {
          dtype: float,
        })
      : undefined;
    const after = decayed ? [control(decayed)] : reads;
    const done = graph.graph.add(
      'ResourceApplyAdam',
      [...handles, zero, zero, of(rate), ...betas, of(epsilon), of(gradient), ...after],
      { T: float },
    );
    return [weight, m, v].map((tensor, i) =>
      graph.symbol(done, tensor!.shape, tensor!.dtype, { variable: variables[i]!, inPlace: true }),
    );
  },
};
