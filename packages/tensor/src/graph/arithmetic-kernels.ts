import * as tf from '@tensorflow/tfjs-core';
import type { GraphBackend } from './graph-backend.ts';
import type { Output } from './graph-builder.ts';
import { emit, type Kernel } from './graph-kernel.ts';

/** Elementwise, one input. */
const unary =
  (op: string): Kernel =>
  ({ graph, list: [x] }) =>
    emit(graph, op, {
      inputs: [x!],
      shape: x!.shape,
      dtype: x!.dtype,
      attributes: { T: { type: x!.dtype } },
    });

/** Elementwise, two inputs that broadcast. */
const binary =
  (op: string, result?: tf.DataType): Kernel =>
  ({ graph, inputs: { a, b } }) =>
    emit(graph, op, {
      inputs: [a!, b!],
      shape: tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape),
      dtype: result ?? a!.dtype,
      attributes: a!.dtype === 'bool' && result === 'bool' ? {} : { T: { type: a!.dtype } },
    });

const reduction =
  (op: string, axisName = 'axis'): Kernel =>
  ({ graph, inputs: { x }, attrs }) => {
    const axes = tf.util.parseAxisParam(attrs[axisName] as number[], x!.shape);
    const keepDims = attrs.keepDims === true;
    const [kept, reduced] = tf.backend_util.computeOutAndReduceShapes(x!.shape, axes);
    const ones = reduced.map(() => 1);
    return emit(graph, op, {
      inputs: [x!, graph.graph.ints(axes)],
      shape: keepDims ? tf.backend_util.combineLocations(kept, ones, axes) : kept,
      dtype: x!.dtype,
      attributes: { T: { type: x!.dtype }, Tidx: { type: 'int32' }, keep_dims: { bool: keepDims } },
    });
  };

/**
 * Up to so many rows a product on the CPU is left to Eigen, which only BatchMatMulV3 is: oneDNN, which takes the others
 * where the processor suits it, is the faster from a few dozen rows on.
 */
const FEW_ROWS = 64;

const matMul: Kernel = ({ graph, inputs: { a, b }, attrs }) => {
  const [left, right] = [factor(graph, a!, attrs.transposeA), factor(graph, b!, attrs.transposeB)];
  const rows = a!.shape.at(attrs.transposeA ? -1 : -2)!;
  const columns = b!.shape.at(attrs.transposeB ? -2 : -1)!;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
  const emission = { inputs: [left.matrix, right.matrix], shape: [...batch, rows, columns], dtype: a!.dtype };
  const T = { type: a!.dtype };
  const adjoint = { adj_x: { bool: left.transposed }, adj_y: { bool: right.transposed } };
  if (rows <= FEW_ROWS && graph.device === 'cpu')
    return emit(graph, 'BatchMatMulV3', { ...emission, attributes: { Ta: T, Tb: T, Tout: T, ...adjoint } });
  if (a!.shape.length > 2 || b!.shape.length > 2)
    return emit(graph, 'BatchMatMulV2', { ...emission, attributes: { T, ...adjoint } });
  const transposes = { transpose_a: { bool: left.transposed }, transpose_b: { bool: right.transposed } };
  return emit(graph, 'MatMul', { ...emission, attributes: { T, ...transposes } });
};

/** A factor of a product, seen through a transpose of its own. */
function factor(
  graph: GraphBackend,
  matrix: tf.TensorInfo,
  transpose: unknown,
): { matrix: tf.TensorInfo | Output; transposed: boolean } {
  const { transposeOf } = graph.get(matrix);
  return transposeOf
    ? { matrix: transposeOf, transposed: transpose !== true }
    : { matrix, transposed: transpose === true };
}

/** What computes: TensorFlow's op for each kernel of TensorFlow.js. */
export const ARITHMETIC_KERNELS: Record<string, Kernel> = {
  [tf.Add]: binary('AddV2'),
  [tf.Sub]: binary('Sub'),
  [tf.Multiply]: binary('Mul'),
  [tf.RealDiv]: binary('RealDiv'),
  [tf.Maximum]: binary('Maximum'),
  [tf.Minimum]: binary('Minimum'),
  [tf.Greater]: binary('Greater', 'bool'),
  [tf.GreaterEqual]: binary('GreaterEqual', 'bool'),
  [tf.Less]: binary('Less', 'bool'),
  [tf.LessEqual]: binary('LessEqual', 'bool'),
  [tf.Equal]: binary('Equal', 'bool'),
  [tf.LogicalAnd]: binary('LogicalAnd', 'bool'),
  [tf.Sqrt]: unary('Sqrt'),
  [tf.Rsqrt]: unary('Rsqrt'),
  [tf.Square]: unary('Square'),
  [tf.Exp]: unary('Exp'),
  [tf.Log]: unary('Log'),
  [tf.Neg]: unary('Neg'),
  [tf.Sigmoid]: unary('Sigmoid'),
  [tf.Softplus]: unary('Softplus'),
  [tf.Softmax]: unary('Softmax'),
  [tf.ZerosLike]: unary('ZerosLike'),
  [tf.Sum]: reduction('Sum'),
  [tf.Mean]: reduction('Mean'),
  [tf.Max]: reduction('Max', 'reductionIndices'),
  [tf.BatchMatMul]: matMul,
  [tf.AddN]: ({ graph, list }) =>
    emit(graph, 'AddN', {
      inputs: list,
      shape: list[0]!.shape,
      dtype: list[0]!.dtype,
      attributes: { N: { int: list.length }, T: { type: list[0]!.dtype } },
    }),
  [tf.Cast]: ({ graph, inputs: { x }, attrs }) => {
    const dtype = attrs.dtype as tf.DataType;
    return emit(graph, 'Cast', {
      inputs: [x!],
      shape: x!.shape,
      dtype,
      attributes: { SrcT: { type: x!.dtype }, DstT: { type: dtype } },
    });
  },
  [tf.UnsortedSegmentSum]: ({ graph, inputs: { x, segmentIds }, attrs }) => {
    const segments = attrs.numSegments as number;
    return emit(graph, 'UnsortedSegmentSum', {
      inputs: [x!, segmentIds!, graph.graph.int(segments)],
      shape: [segments, ...x!.shape.slice(1)],
      dtype: x!.dtype,
      attributes: {
        T: { type: x!.dtype },
        Tindices: { type: 'int32' },
        Tnumsegments: { type: 'int32' },
      },
    });
  },
  [tf.ClipByValue]: ({ graph, inputs: { x }, attrs }) => {
    const scalar = (value: unknown): Output =>
      graph.graph.constant(Float32Array.of(value as number), [], 'float32');
    return emit(graph, 'ClipByValue', {
      inputs: [x!, scalar(attrs.clipValueMin), scalar(attrs.clipValueMax)],
      shape: x!.shape,
      dtype: x!.dtype,
      attributes: { T: { type: x!.dtype } },
    });
  },
};
