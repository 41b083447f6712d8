import * as tf from '@tensorflow/tfjs-core';

/** All in bytes. On a GPU the resident set is host memory; the tensors lie on the device. */
export interface DeviceMemory {
  /** Sum over the tensors that are alive. */
  tensorBytes: number;
  /** Resident set of this process now, and its highest so far. */
  residentBytes: number;
  peakResidentBytes: number;
}

export function deviceMemory(): DeviceMemory {
  return {
    tensorBytes: tf.memory().numBytes,
    residentBytes: process.memoryUsage.rss(),
    peakResidentBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** Tensors that are alive; after a training step it must be what it was before. */
export function tensorCount(): number {
  return tf.memory().numTensors;
}
