import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { restoreRemovedUtilFunctions } from './removed-util-functions.ts';
import { registerTensorFlowKernels } from './tensorflow-kernels.ts';

const require = createRequire(import.meta.url);

/** The part of tfjs-node's backend object that is read here. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
  binding: { TF_Version: string };
}

interface LoadedTensorFlow {
  libraryVersion: string;
  device: 'gpu' | 'cpu';
}

/** Without one of these TensorFlow cannot have a CUDA device (WSL has /dev/dxg). */
function hasNvidiaDevice(): boolean {
  return process.platform === 'win32' || existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');
}

/**
 * Loads a tfjs-node package, which registers backend `tensorflow` and all gradients.
 *
 * libtensorflow reads its settings from the environment when it is loaded and knows no other way to be told, so this
 * sets TF_CPP_MIN_LOG_LEVEL (its C++ chatter) and, where `threads` is given, the sizes of its two thread pools.
 * @throws Error naming the reason if the native addon is absent or does not load.
 */
export async function loadTensorFlow(
  packageName: '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu',
  threads: number | undefined,
): Promise<LoadedTensorFlow> {
  if (packageName.endsWith('-gpu') && !hasNvidiaDevice())
    throw new Error('this machine has no NVIDIA device');
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  if (threads !== undefined) {
    process.env.TF_NUM_INTRAOP_THREADS = String(threads);
    process.env.TF_NUM_INTEROP_THREADS = String(threads);
  }
  restoreRemovedUtilFunctions();
  require(packageName);
  await tf.setBackend('tensorflow');
  registerTensorFlowKernels();
  const backend = tf.backend() as unknown as NodeBackend;
  return { libraryVersion: backend.binding.TF_Version, device: backend.isUsingGpuDevice ? 'gpu' : 'cpu' };
}
