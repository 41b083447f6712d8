export type { BackendInfo, BackendPreference } from './load-backend.ts';
export { loadBackend } from './load-backend.ts';
export type { DeviceMemory } from './memory.ts';
export { deviceMemory, tensorCount } from './memory.ts';
