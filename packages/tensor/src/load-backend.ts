import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { loadCpu, loadWasm } from './javascript-backends.ts';
import { loadTensorFlow } from './tensorflow-backend.ts';

export type BackendPreference = 'auto' | 'tensorflow-gpu' | 'tensorflow' | 'wasm' | 'cpu';

export interface BackendInfo {
  /** As TensorFlow.js registers it. */
  name: 'tensorflow' | 'wasm' | 'cpu';
  package: string;
  /** Of TensorFlow.js. */
  version: string;
  /** Of libtensorflow, where there is one. */
  libraryVersion?: string;
  device: 'gpu' | 'cpu';
  /** What was tried before this one, and why it was not taken. */
  reasons: string[];
}

type Candidate = Exclude<BackendPreference, 'auto'>;

/** Fastest first. */
const CANDIDATES: readonly Candidate[] = ['tensorflow-gpu', 'tensorflow', 'wasm', 'cpu'];

const PACKAGES = {
  'tensorflow-gpu': '@tensorflow/tfjs-node-gpu',
  tensorflow: '@tensorflow/tfjs-node',
  wasm: '@tensorflow/tfjs-backend-wasm',
  cpu: '@tensorflow/tfjs-backend-cpu',
} as const;

async function load(
  candidate: Candidate,
  threads: number | undefined,
): Promise<Omit<BackendInfo, 'reasons'>> {
  const version = tf.version_core;
  switch (candidate) {
    case 'tensorflow-gpu':
    case 'tensorflow': {
      const loaded = await loadTensorFlow(PACKAGES[candidate], threads);
      return { name: 'tensorflow', package: PACKAGES[candidate], version, ...loaded };
    }
    case 'wasm':
      await loadWasm();
      return { name: 'wasm', package: PACKAGES.wasm, version, device: 'cpu' };
    case 'cpu':
      await loadCpu();
      return { name: 'cpu', package: PACKAGES.cpu, version, device: 'cpu' };
  }
}

async function choose(prefer: BackendPreference, threads: number | undefined): Promise<BackendInfo> {
  const reasons: string[] = [];
  for (const candidate of prefer === 'auto' ? CANDIDATES : [prefer]) {
    try {
      const loaded = await load(candidate, threads);
      if (prefer === 'tensorflow-gpu' && loaded.device !== 'gpu')
        throw new Error('TensorFlow found no usable GPU (driver, CUDA or cuDNN do not fit)');
      return { ...loaded, reasons };
    } catch (error) {
      const [firstLine] = (error instanceof Error ? error.message : String(error)).split('\n');
      reasons.push(`${PACKAGES[candidate]}: ${firstLine}`);
    }
  }
  throw new TrainyardError(
    'unavailable',
    `TensorFlow.js backend '${prefer}' cannot be loaded (${reasons.join('; ')}). Run 'npm run setup', or use backend 'auto'.`,
    { param: 'backend' },
  );
}

let loaded: { prefer: BackendPreference; info: Promise<BackendInfo> } | undefined;

/**
 * Loads one TensorFlow.js backend and all gradients into this process. Call it before the first operation. A process
 * holds one backend: a second call gives the first one's answer.
 *
 * `prefer: 'auto'` takes the fastest that loads: GPU, native CPU, wasm, plain JavaScript. A named backend is taken or
 * refused, never replaced. `threads` limits TensorFlow's thread pools; wasm and cpu compute on one thread.
 * @throws TrainyardError `unavailable` if the named backend does not load here, `conflict` if another is loaded already.
 */
export async function loadBackend(
  options: { prefer?: BackendPreference; threads?: number } = {},
): Promise<BackendInfo> {
  const prefer = options.prefer ?? 'auto';
  if (loaded && prefer !== 'auto' && prefer !== loaded.prefer)
    throw new TrainyardError(
      'conflict',
      `This process asked for backend '${loaded.prefer}' already; start another process for '${prefer}'.`,
      { param: 'backend' },
    );
  loaded ??= { prefer, info: choose(prefer, options.threads) };
  return loaded.info;
}
