export type { BlobContent, BlobInfo, BlobRef, BlobStore, BlobStoreOptions, ByteRange } from './blob-store.ts';
export type { CheckpointFile, CheckpointManifest, NewCheckpoint } from './checkpoint-manifest.ts';
export { collectGarbage, type GarbageOptions } from './collect-garbage.ts';
export { copyBlobs, type UncopiedBlob } from './copy-blobs.ts';
export { type DecodedSafetensors, decodeSafetensors, readValues } from './decode-safetensors.ts';
export { encodeSafetensors, encodeSafetensorsHeader } from './encode-safetensors.ts';
export { FLOAT16_MAX, toBfloat16, toFloat16 } from './half-precision.ts';
export { inLanes } from './in-lanes.ts';
export { openBlobStore } from './open-blob-store.ts';
export { readCheckpoint, type StoredCheckpoint } from './read-checkpoint.ts';
export type { SafeTensor } from './safetensors-dtypes.ts';
export {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './safetensors-header.ts';
export { attempt } from './storage-error.ts';
export { sweepLeftovers } from './sweep-leftovers.ts';
export { syncFolder } from './sync-folder.ts';
export { verifyBlob } from './verify-blob.ts';
export { writeCheckpoint } from './write-checkpoint.ts';
