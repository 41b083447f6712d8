import { type Split, TrainyardError } from '@trainyard/contracts';
import { type DatasetVersionContent, type RecordOf, readRecords } from '@trainyard/datasets';
import { type HostTensors, type StoredModel, type TrainingState, toModelConfig } from '@trainyard/engine';
import { type BlobStore, decodeSafetensors, readCheckpoint } from '@trainyard/storage';
import { Tokenizer } from '@trainyard/tokenizer';
import type { TrainerContext } from './context.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const OPTIMIZER_FILE = 'optimizer.safetensors';

/** The run's tokenizer, verified by its hash. */
export async function loadTokenizer({ job, blobs }: TrainerContext): Promise<Tokenizer> {
  const { tokenizer } = job.inputs;
  if (!tokenizer)
    throw new TrainyardError('invalid_request', 'The run has no tokenizer.', { param: 'inputs.tokenizer' });
  const bytes = await blobs.read(tokenizer);
  return Tokenizer.fromJson(JSON.parse(new TextDecoder().decode(bytes)));
}

interface LoadedModel {
  stored: StoredModel;
  config: ReturnType<typeof toModelConfig>;
  weights: HostTensors;
}

/** A checkpoint's weights and shape; every file is verified. */
export async function loadModel(blobs: BlobStore, manifestSha256: string): Promise<LoadedModel> {
  const { manifest, file } = await readCheckpoint(blobs, manifestSha256);
  const stored = manifest.model as StoredModel;
  const weights = decodeSafetensors(await file(WEIGHTS_FILE)).tensors as HostTensors;
  return { stored, config: toModelConfig(stored), weights };
}

/** The checkpoint that the run starts from. */
export function loadBase({ job, blobs }: TrainerContext): Promise<LoadedModel> {
  if (!job.inputs.base)
    throw new TrainyardError('invalid_request', 'The run has no base checkpoint.', { param: 'inputs.base' });
  return loadModel(blobs, job.inputs.base.manifestSha256);
}

/**
 * Where the run left off: the first of these checkpoints whose every byte is what was written. The worker is told of
 * each that is not; undefined where none is left, and the run begins anew.
 */
export async function loadResume(
  { blobs, send }: TrainerContext,
  manifests: readonly string[],
): Promise<TrainingState | undefined> {
  for (const manifestSha256 of manifests) {
    try {
      const { manifest, file } = await readCheckpoint(blobs, manifestSha256);
      return {
        step: manifest.step,
        weights: decodeSafetensors(await file(WEIGHTS_FILE)).tensors as HostTensors,
        optimizer: decodeSafetensors(await file(OPTIMIZER_FILE)).tensors as HostTensors,
        counters: manifest.counters,
      };
    } catch (error) {
      if (!(error instanceof TrainyardError) || !DAMAGE.has(error.code)) throw error;
      await send({ type: 'damaged', manifestSha256, message: error.message });
    }
  }
  return undefined;
}

const DAMAGE: ReadonlySet<string> = new Set(['integrity', 'invalid_data', 'not_found']);

/** Every record of the run's datasets, in order, with the dataset's name for error messages. */
export async function* records<K extends DatasetVersionContent['kind']>(
  { job, blobs }: TrainerContext,
  split: Split,
): AsyncGenerator<RecordOf<K>> {
  for (const dataset of job.inputs.datasets)
    yield* readRecords(blobs, dataset.content as unknown as DatasetVersionContent<K>, split);
}

/** At most `limit` items. */
export async function take<T>(items: AsyncIterable<T>, limit = Number.POSITIVE_INFINITY): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    if (taken.length >= limit) break;
    taken.push(item);
  }
  return taken;
}
