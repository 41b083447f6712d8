import { type ImportQuery, TrainyardError } from '@trainyard/contracts';
import {
  getCheckpoint,
  type ImportedCheckpoint,
  resolveStoredCheckpoint,
  timeOrderedUuid,
} from '@trainyard/db';
import { type Folder, importAdapters, importHuggingFace, toWeights } from '@trainyard/interchange';
import {
  type BlobStore,
  decodeSafetensors,
  encodeSafetensors,
  readCheckpoint,
  type SafeTensor,
  writeCheckpoint,
} from '@trainyard/storage';
import type { Dependencies } from './dependencies.ts';
import { OPTIMIZER_FILE, WEIGHTS_FILE } from './export-checkpoint.ts';

type Stores = Pick<Dependencies, 'db' | 'blobs'>;
type Made = Omit<ImportedCheckpoint, 'runId' | 'name' | 'manifestSha256' | 'blobs' | 'bytes'> & {
  files: Parameters<typeof writeCheckpoint>[1]['files'];
};

/**
 * Reads a folder to its last value and only then writes its blobs: a Hugging Face model, or with `base` a PEFT folder
 * whose adapters are merged into that checkpoint. What remains is one transaction, `recordImport`.
 * @throws TrainyardError `invalid_data` naming the file, key or tensor; `invalid_request` and `not_found` for `base`.
 */
export async function importCheckpoint(
  stores: Stores,
  folder: Folder,
  query: ImportQuery,
): Promise<ImportedCheckpoint> {
  const adapters = folder.has('adapter_config.json');
  if (adapters && query.base === undefined)
    throw new TrainyardError(
      'invalid_request',
      'Adapters need the checkpoint that they belong to: give base.',
      {
        param: 'base',
      },
    );
  if (!adapters && query.base !== undefined)
    throw new TrainyardError('invalid_request', 'Only a PEFT folder, with adapter_config.json, has a base.', {
      param: 'base',
    });
  const { files, ...made } = adapters
    ? await mergedAdapters(stores, folder, query.base!)
    : await wholeModel(stores.blobs, folder);
  const runId = timeOrderedUuid(Date.now());
  const { manifest, bytes, ...written } = await writeCheckpoint(stores.blobs, {
    runId,
    epoch: 0,
    step: 0,
    model: made.model,
    counters: {},
    cursor: { step: 0, seed: 0 },
    createdAt: new Date().toISOString(),
    files,
  });
  return {
    ...made,
    runId,
    name: query.name ?? null,
    config: {
      ...made.config,
      ...(query.licence !== undefined && { licence: query.licence }),
      ...(query.collected_until !== undefined && { collected_until: query.collected_until }),
    },
    manifestSha256: manifest.sha256,
    blobs: [manifest.sha256, ...written.files.map(({ sha256 }) => sha256)],
    bytes,
  };
}

async function wholeModel(blobs: BlobStore, folder: Folder): Promise<Made> {
  const { kind, model, parameters, tokenizer, weights } = await importHuggingFace(folder);
  const { sha256 } = await blobs.put(Buffer.from(JSON.stringify(tokenizer.toJson())));
  return {
    kind,
    model: { ...model },
    parameters,
    config: { format: 'huggingface' },
    base: null,
    tokenizer: { vocabSize: tokenizer.vocabSize, sha256 },
    files: { [WEIGHTS_FILE]: weights(), [OPTIMIZER_FILE]: encodeSafetensors({}) },
  };
}

async function mergedAdapters({ db, blobs }: Stores, folder: Folder, reference: string): Promise<Made> {
  const { id } = await resolveStoredCheckpoint(db.client, reference, 'base');
  const base = await getCheckpoint(db, id);
  if (base.kind !== 'base' && base.kind !== 'assistant')
    throw new TrainyardError(
      'incompatible_checkpoint',
      `Adapters of a language model cannot be put on a ${base.kind} model.`,
      {
        param: 'base',
      },
    );
  const { file } = await readCheckpoint(blobs, base.manifest_sha256);
  const weights = toWeights(decodeSafetensors(await file(WEIGHTS_FILE)).tensors);
  const { lora, adapters, merged } = await importAdapters(folder, weights);
  return {
    kind: 'assistant',
    model: base.model,
    parameters: base.parameters,
    config: { format: 'peft', lora },
    base: id,
    tokenizer: base.tokenizer_id,
    files: {
      [WEIGHTS_FILE]: encodeSafetensors(toTensors(merged), { format: 'pt' }),
      [OPTIMIZER_FILE]: encodeSafetensors(toTensors(adapters)),
    },
  };
}

const toTensors = (weights: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>) =>
  Object.fromEntries(
    Object.entries(weights).map(([name, weight]): [string, SafeTensor] => [
      name,
      { dtype: 'float32', shape: weight.shape, data: weight.data },
    ]),
  );
