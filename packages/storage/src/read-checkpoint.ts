import { TrainyardError } from '@trainyard/contracts';
import type { BlobStore } from './blob-store.ts';
import { type CheckpointManifest, decodeManifest } from './checkpoint-manifest.ts';

export interface StoredCheckpoint {
  manifest: CheckpointManifest;
  /** One file, its size and hash verified. Throws `not_found` for a name that the manifest does not have. */
  file(name: string): Promise<Uint8Array>;
}

/**
 * Opens the checkpoint of a manifest blob. Errors name the manifest and the file: `integrity` where either is
 * missing or damaged, `invalid_data` where the blob is no manifest.
 */
export async function readCheckpoint(store: BlobStore, manifestSha256: string): Promise<StoredCheckpoint> {
  const source = `Checkpoint manifest ${manifestSha256} in ${store.location}`;
  const bytes = await store.read({ sha256: manifestSha256 }).catch((cause) => rethrow(source, cause));
  const manifest = decodeManifest(bytes, source);
  const files = new Map(manifest.files.map((file) => [file.name, file]));
  return {
    manifest,
    async file(name) {
      const file = files.get(name);
      if (!file) {
        const names = [...files.keys()].join(', ');
        throw new TrainyardError('not_found', `${source} has no file "${name}", but ${names}.`, {
          param: name,
        });
      }
      return store.read(file).catch((cause) => rethrow(`${source}, file "${name}"`, cause));
    },
  };
}

/** A blob that a checkpoint refers to must exist: its absence is damage. */
function rethrow(source: string, cause: unknown): never {
  if (!(cause instanceof TrainyardError)) throw cause;
  const code = cause.code === 'not_found' ? 'integrity' : cause.code;
  throw new TrainyardError(code, `${source}: ${cause.message}`, {
    ...(cause.param && { param: cause.param }),
    cause,
  });
}
