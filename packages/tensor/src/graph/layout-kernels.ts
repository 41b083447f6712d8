import * as tf from '@tensorflow/tfjs-core';
import type { GraphBackend } from './graph-backend.ts';
import { nodeOf, type Output } from './graph-builder.ts';
import { emit, type Kernel } from './graph-kernel.ts';

const reshape = (graph: GraphBackend, x: tf.TensorInfo, shape: number[]): tf.TensorInfo =>
  emit(graph, 'Reshape', {
    inputs: [x, graph.graph.ints(shape)],
    shape,
    dtype: x.dtype,
    attributes: { T: { type: x.dtype }, Tshape: { type: 'int32' } },
  });

const axisOf = (attrs: tf.NamedAttrMap, rank: number): number => {
  const [axis] = tf.util.parseAxisParam(
    attrs.axis as number,
    Array.from({ length: rank }, () => 1),
  );
  return axis!;
};

const splitV: Kernel = ({ graph, inputs: { x }, attrs }) => {
  const axis = axisOf(attrs, x!.shape.length);
  const sizes = tf.backend_util.prepareSplitSize(
    x! as tf.Tensor,
    attrs.numOrSizeSplits as number[] | number,
    axis,
  );
  const [first] = [
    graph.graph.add('SplitV', [graph.get(x!).output, graph.graph.ints(sizes), graph.graph.int(axis)], {
      T: { type: x!.dtype },
      Tlen: { type: 'int32' },
      num_split: { int: sizes.length },
    }),
  ];
  const name = nodeOf(first);
  return sizes.map((size, i) => graph.symbol(`${name}:${i}`, x!.shape.with(axis, size), x!.dtype));
};

const joined =
  (op: 'ConcatV2' | 'Pack'): Kernel =>
  ({ graph, list, attrs }) => {
    const [{ shape, dtype }] = list as [tf.TensorInfo];
    const rank = shape.length + (op === 'Pack' ? 1 : 0);
    const axis = axisOf(attrs, rank);
    const count = { N: { int: list.length }, T: { type: dtype } };
    if (op === 'Pack')
      return emit(graph, op, {
        inputs: list,
        shape: shape.toSpliced(axis, 0, list.length),
        dtype,
        attributes: { ...count, axis: { int: axis } },
      });
    const size = list.reduce((sum, part) => sum + part.shape[axis]!, 0);
    return emit(graph, op, {
      inputs: [...list, graph.graph.int(axis)],
      shape: shape.with(axis, size),
      dtype,
      attributes: { ...count, Tidx: { type: 'int32' } },
    });
  };

const gather: Kernel = ({ graph, inputs: { x, indices }, attrs }) => {
  const axis = axisOf(attrs, x!.shape.length);
  return emit(graph, 'GatherV2', {
    inputs: [x!, indices!, graph.graph.int(axis)],
    shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)],
    dtype: x!.dtype,
    attributes: {
      Tparams: { type: x!.dtype },
      Tindices: { type: 'int32' },
      Taxis: { type: 'int32' },
      batch_dims: { int: (attrs.batchDims as number) ?? 0 },
    },
  });
};

/** What makes, moves and picks elements: TensorFlow's op for each kernel of TensorFlow.js. */
export const LAYOUT_KERNELS: Record<string, Kernel> = {
  [tf.SplitV]: splitV,
  [tf.Concat]: joined('ConcatV2'),
  [tf.Pack]: joined('Pack'),
  [tf.GatherV2]: gather,
  [tf.Identity]: ({ graph, inputs: { x } }) => {
    graph.incRef(x!.dataId);
    return { ...x! };
  },
  [tf.Reshape]: ({ graph, inputs: { x }, attrs }) =>
    reshape(
      graph,
      x!,
      tf.util.inferFromImplicitShape(attrs.shape as number[], tf.util.sizeFromShape(x!.shape)),
    ),
  [tf.ExpandDims]: ({ graph, inputs: { input }, attrs }) => {
    const dim = attrs.dim as number;
    const { shape } = input!;
    return reshape(graph, input!, shape.toSpliced(dim < 0 ? shape.length + dim + 1 : dim, 0, 1));
  },
  [tf.Transpose]: ({ graph, inputs: { x }, attrs }) => {
    const perm = attrs.perm as number[];
    const { output } = graph.get(x!);
    const transposed = graph.graph.add('Transpose', [output, graph.graph.ints(perm)], {
      T: { type: x!.dtype },
      Tperm: { type: 'int32' },
    });
    const shape = perm.map((axis) => x!.shape[axis]!);
    return graph.symbol(transposed, shape, x!.dtype, perm.join() === '1,0' ? { transposeOf: output } : {});
  },
  [tf.Tile]: ({ graph, inputs: { x }, attrs }) => {
    const reps = attrs.reps as number[];
    return emit(graph, 'Tile', {
      inputs: [x!, graph.graph.ints(reps)],
      shape: x!.shape.map((size, i) => size * reps[i]!),
      dtype: x!.dtype,
      attributes: { T: { type: x!.dtype }, Tmultiples: { type: 'int32' } },
    });
  },
  [tf.Slice]: ({ graph, inputs: { x }, attrs }) => {
    const [begin, size] = tf.slice_util.parseSliceParams(
      x! as tf.Tensor,
      attrs.begin as number[],
      attrs.size as number[],
    ) as [number[], number[]];
    return emit(graph, 'Slice', {
      inputs: [x!, graph.graph.ints(begin), graph.graph.ints(size)],
      shape: size,
      dtype: x!.dtype,
      attributes: { T: { type: x!.dtype }, Index: { type: 'int32' } },
    });
  },
  [tf.OneHot]: ({ graph, inputs: { indices }, attrs }) => {
    const { depth, onValue, offValue, dtype } = attrs as unknown as tf.OneHotAttrs;
    const scalar = (value: number): Output =>
      graph.graph.constant(dtype === 'int32' ? Int32Array.of(value) : Float32Array.of(value), [], dtype);
    return emit(graph, 'OneHot', {
      inputs: [indices!, graph.graph.int(depth), scalar(onValue), scalar(offValue)],
      shape: [...indices!.shape, depth],
      dtype,
      attributes: { T: { type: dtype }, TI: { type: 'int32' }, axis: { int: -1 } },
    });
  },
  [tf.Range]: ({ graph, attrs }) => {
    const { start, stop, step, dtype } = attrs as unknown as tf.RangeAttrs;
    const length = Math.max(0, Math.ceil((stop - start) / step));
    const values = Array.from({ length }, (_, i) => start + i * step);
    const array = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
    return graph.symbol(graph.graph.constant(array, [length], dtype), [length], dtype);
  },
  [tf.Fill]: ({ graph, attrs }) => {
    const { shape, value, dtype } = attrs as { shape: number[]; value: number; dtype?: tf.DataType };
    return emit(graph, 'Fill', {
      inputs: [graph.graph.ints(shape), graph.graph.constant(Float32Array.of(value), [], 'float32')],
      shape,
      dtype: dtype ?? 'float32',
      attributes: { T: { type: 'float32' }, index_type: { type: 'int32' } },
    });
  },
  [tf.Select]: ({ graph, inputs: { condition, t, e } }) =>
    emit(graph, 'SelectV2', {
      inputs: [condition!, t!, e!],
      shape: t!.shape,
      dtype: t!.dtype,
      attributes: { T: { type: t!.dtype } },
    }),
};
