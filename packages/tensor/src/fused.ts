import * as tf from '@tensorflow/tfjs-core';

/** Kernels beyond TensorFlow.js' own, under the names of TensorFlow's ops; not every backend has them. */
export const CROSS_ENTROPY = 'SparseSoftmaxCrossEntropyWithLogits';
export const L2_LOSS = 'L2Loss';
export const APPLY_ADAM = 'ApplyAdam';
export const STATELESS_UNIFORM = 'StatelessRandomUniform';
export const UPDATE_SLOTS = 'UpdateSlots';
export const COMPLEX_PRODUCT = 'ComplexProduct';
export const AFTER = 'After';

const available = (kernel: string): boolean => tf.getKernel(kernel, tf.getBackend()) !== undefined;

/**
 * -log softmax(logits)[label] by row, and its gradient in the logits (softmax - one-hot): logits [N,V], labels int32
 * [N] -> [N], [N,V]. No gradient of its own: for use within one.
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
): { loss: tf.Tensor1D; gradient: tf.Tensor2D } {
  if (available(CROSS_ENTROPY)) {
    const [loss, gradient] = tf.engine().runKernel(CROSS_ENTROPY, { logits, labels }) as unknown as [
      tf.Tensor1D,
      tf.Tensor2D,
    ];
    return { loss, gradient };
  }
  const [rows, vocabulary] = logits.shape;
  const probabilities = tf.softmax(logits);
  const flatIndex = tf.add(labels, tf.range(0, rows * vocabulary, vocabulary, 'int32')) as tf.Tensor1D;
  const chosen = tf.gather(tf.reshape(logits, [rows * vocabulary]), flatIndex);
  // -log p = (z_max - z) - log p_max: p_max >= 1/V, so nothing underflows.
  const loss = tf.sub(tf.sub(tf.max(logits, -1), chosen), tf.log(tf.max(probabilities, -1))) as tf.Tensor1D;
  // Cast, as the wasm kernel knows integers only.
  const oneHot = tf.cast(tf.oneHot(labels, vocabulary), 'float32');
  return { loss, gradient: tf.sub(probabilities, oneHot) };
}

/** Sum of squares. */
export function sumOfSquares(x: tf.Tensor): tf.Scalar {
  if (available(L2_LOSS)) return tf.mul(tf.engine().runKernel(L2_LOSS, { x }) as tf.Tensor, 2) as tf.Scalar;
  return tf.sum(tf.mul(x, x)) as tf.Scalar;
}

export interface AdamMoments {
  first: tf.Tensor;
  second: tf.Tensor;
}

/** Scalars that change from step to step are tensors; `kept` is the share of the weight that decay leaves. */
export interface AdamOptions {
  rate: tf.Scalar;
  epsilon: tf.Scalar;
  beta1: number;
  beta2: number;
  kept?: tf.Scalar;
}

/**
 * Adam's update (Kingma and Ba 2015) with the bias corrections moved into `rate` and `epsilon`, after decoupled decay:
 * m += (1 - beta1) (g - m), v += (1 - beta2) (g^2 - v), w = kept * w - rate * m / (sqrt(v) + epsilon).
 * Weight and moments must be state of the step where it is compiled: they change in place.
 */
export function applyAdam(
  weight: tf.Tensor,
  { first: m, second: v }: AdamMoments,
  gradient: tf.Tensor,
  { rate, epsilon, beta1, beta2, kept }: AdamOptions,
): AdamMoments & { weight: tf.Tensor } {
  if (available(APPLY_ADAM)) {
    const inputs = { weight, m, v, gradient, rate, epsilon, ...(kept && { kept }) };
    const outputs = tf.engine().runKernel(APPLY_ADAM, inputs, { beta1, beta2 }) as unknown as tf.Tensor[];
    return { weight: outputs[0]!, first: outputs[1]!, second: outputs[2]! };
  }
  const first = tf.add(m, tf.mul(tf.sub(gradient, m), 1 - beta1));
  const second = tf.add(v, tf.mul(tf.sub(tf.mul(gradient, gradient), v), 1 - beta2));
  const change = tf.div(tf.mul(first, rate), tf.add(tf.sqrt(second), epsilon));
  return { weight: tf.sub(kept ? tf.mul(weight, kept) : weight, change), first, second };
}

/**
 * x, but not before `cause` is there. A graph computes whatever it can at once; what is to be computed again for a
 * gradient would be computed, and kept, during the forward pass.
 */
export function after<T extends tf.Tensor>(x: T, cause: tf.Tensor): T {
  return available(AFTER) ? tf.engine().runKernel(AFTER, { x, cause }) : x;
}

/**
 * `cache` [B,h,slots,d] with `value` [B,h,n,d] in the n slots from `slot` (int32 scalar) on. Compiled steps only, where
 * the cache must be state and changes in place.
 */
export function updateSlots(cache: tf.Tensor4D, value: tf.Tensor4D, slot: tf.Scalar): tf.Tensor4D {
  return tf.engine().runKernel(UPDATE_SLOTS, { cache, value, slot });
}

/**
 * a times b, both float32 [N,2n], as n complex numbers a row: real and imaginary part side by side. Compiled steps only.
 */
export function complexProduct(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return tf.engine().runKernel(COMPLEX_PRODUCT, { a, b });
}

/**
 * Numbers in [0, 1) that depend on `seed` (int32 [2]) and the shape alone, on one backend: the same seed draws the same
 * again. TensorFlow's Philox generator where there is one.
 */
export function randomUniform(shape: number[], seed: tf.Tensor1D): tf.Tensor {
  if (available(STATELESS_UNIFORM)) return tf.engine().runKernel(STATELESS_UNIFORM, { seed }, { shape });
  const [high, low] = seed.dataSync();
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => {
    const mixed = mix(mix(mix(high!) ^ low!) ^ i);
    return (mixed >>> 8) / 2 ** 24;
  });
  return tf.tensor(values, shape);
}

/** The finaliser of MurmurHash3 (Appleby), a bijection of 32 bits. */
function mix(bits: number): number {
  let x = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
