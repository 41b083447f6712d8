export type { BlobContent, BlobInfo, BlobRef, BlobStore, BlobStoreOptions, ByteRange } from './blob-store.ts';
export type { CheckpointFile, CheckpointManifest, NewCheckpoint } from './checkpoint-manifest.ts';
export { collectGarbage, type GarbageOptions } from './collect-garbage.ts';
export { type DecodedSafetensors, decodeSafetensors } from './decode-safetensors.ts';
export { encodeSafetensors } from './encode-safetensors.ts';
export { openBlobStore } from './open-blob-store.ts';
export { readCheckpoint, type StoredCheckpoint } from './read-checkpoint.ts';
export type { SafeTensor } from './safetensors-dtypes.ts';
export { writeCheckpoint } from './write-checkpoint.ts';
