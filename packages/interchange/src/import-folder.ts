import type { StoredModel } from '@trainyard/contracts';
import { encodeSafetensorsHeader } from '@trainyard/storage';
import { chatTemplate, type Tokenizer } from '@trainyard/tokenizer';
import { checkFileName, type Folder, readJson } from './folder-files.ts';
import { readLlamaConfig } from './read-llama-config.ts';
import type { SourceTensor } from './safetensors-source.ts';
import { sourceChatTemplate, sourceTokenizer } from './source-tokenizer.ts';
import { sourceWeights } from './source-weights.ts';

/** A folder that was read and found good, to the last value of its weights. */
export interface ImportedModel {
  kind: 'base' | 'assistant';
  model: StoredModel;
  tokenizer: Tokenizer;
  parameters: number;
  /** model.safetensors of a checkpoint: float32, in the order of the names. */
  weights(): AsyncGenerator<Uint8Array>;
}

/**
 * Reads a Hugging Face folder of a LlamaForCausalLM; a model that was not exported here is a base model, unless its chat
 * template is the one that is used here. Memory is bounded by its JSON files, not by its weights.
 * @throws TrainyardError `invalid_data`, `param` naming the file, key or tensor that is wrong or not supported.
 */
export async function importHuggingFace(folder: Folder): Promise<ImportedModel> {
  for (const name of folder.keys()) checkFileName(name);
  const config = await readJson(folder, 'config.json');
  const { model, kind } = readLlamaConfig(config);
  const tokenizer = await sourceTokenizer(folder, config);
  const tensors = await sourceWeights(folder, model);
  for (const { pieces } of tensors) for await (const _ of pieces()); // each value is looked at
  const chats = (await sourceChatTemplate(folder)) === chatTemplate(tokenizer);
  return {
    kind: kind ?? (chats ? 'assistant' : 'base'),
    model,
    tokenizer,
    parameters: tensors.reduce((sum, tensor) => sum + valuesOf(tensor), 0),
    weights: () => writeWeights(tensors),
  };
}

const valuesOf = ({ shape }: Pick<SourceTensor, 'shape'>): number =>
  shape.reduce((product, size) => product * size, 1);

/** The tensors as a safetensors file of float32, piece by piece. */
async function* writeWeights(tensors: readonly SourceTensor[]): AsyncGenerator<Uint8Array> {
  const layout = tensors.map((tensor) => ({
    name: tensor.name,
    code: 'F32',
    shape: tensor.shape,
    bytes: 4 * valuesOf(tensor),
  }));
  yield encodeSafetensorsHeader(layout, { format: 'pt' });
  for (const { pieces } of tensors)
    for await (const { buffer, byteOffset, byteLength } of pieces())
      yield new Uint8Array(buffer, byteOffset, byteLength);
}
