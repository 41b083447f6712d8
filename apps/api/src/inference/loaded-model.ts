import {
  checkParameters,
  disposeParameters,
  type HostTensors,
  loadParameters,
  type ModelConfig,
  openGenerator,
  type Parameters,
  type StoredModel,
  type TextGenerator,
  toModelConfig,
} from '@trainyard/engine';
import { type BlobStore, decodeSafetensors, readCheckpoint } from '@trainyard/storage';
import { Tokenizer } from '@trainyard/tokenizer';
import type { ModelFiles } from './task.ts';

export interface LoadedModel {
  config: ModelConfig;
  params: Parameters;
  writer: TextGenerator;
  tokenizer: Tokenizer;
}

const WEIGHTS = 'model.safetensors';

async function loadModel(blobs: BlobStore, files: ModelFiles): Promise<LoadedModel> {
  const checkpoint = await readCheckpoint(blobs, files.manifestSha256);
  const config = toModelConfig(checkpoint.manifest.model as StoredModel);
  const weights = decodeSafetensors(await checkpoint.file(WEIGHTS)).tensors as HostTensors;
  checkParameters(weights, config);
  const text = Buffer.from(await blobs.read({ sha256: files.tokenizerSha256 })).toString();
  const tokenizer = Tokenizer.fromJson(JSON.parse(text));
  const params = loadParameters(weights);
  const writer = openGenerator(config);
  writer.load(params);
  return { config, tokenizer, params, writer };
}

/** Loads models, their hashes verified, and keeps the last `kept` in memory. */
export function createModelCache(
  blobs: BlobStore,
  kept: number,
): (files: ModelFiles) => Promise<LoadedModel> {
  const loaded = new Map<string, LoadedModel>();
  return async (files) => {
    const key = `${files.manifestSha256} ${files.tokenizerSha256}`;
    const known = loaded.get(key);
    for (const [oldest, model] of loaded) {
      if (known || loaded.size < kept) break;
      model.writer.dispose();
      disposeParameters(model.params);
      loaded.delete(oldest);
    }
    const model = known ?? (await loadModel(blobs, files));
    loaded.delete(key);
    loaded.set(key, model);
    return model;
  };
}
