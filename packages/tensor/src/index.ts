export { createProgram, type Execution, preferredExecution } from './create-program.ts';
export {
  type AdamMoments,
  after,
  applyAdam,
  complexProduct,
  randomUniform,
  softmaxCrossEntropy,
  sumOfSquares,
  updateSlots,
} from './fused.ts';
export type { BackendInfo, BackendPreference } from './load-backend.ts';
export { loadBackend } from './load-backend.ts';
export type { DeviceMemory } from './memory.ts';
export { deviceMemory, tensorCount } from './memory.ts';
export type { Functions, Program, StepFunction, Tensors } from './program.ts';
