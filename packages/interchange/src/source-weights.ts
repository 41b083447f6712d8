import { type StoredModel, TrainyardError, weightShapes } from '@trainyard/contracts';
import { type Folder, readJson, requireFile } from './folder-files.ts';
import { openSafetensors, type SourceTensor } from './safetensors-source.ts';

const INDEX = 'model.safetensors.index.json';

/** Constants that older files hold beside the weights. */
const DERIVED = /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/;

/** The files that hold the weights: one, or those of the index, all of them and no other. */
async function weightFiles(
  folder: Folder,
): Promise<{ names: string[]; places: Map<string, string> | undefined }> {
  const present = [...folder.keys()].filter((name) => /^model.*\.safetensors$/.test(name)).sort();
  if (!folder.has(INDEX)) {
    requireFile(folder, 'model.safetensors');
    const other = present.find((name) => name !== 'model.safetensors');
    if (other) refuse(other, `lies there without ${INDEX}`);
    return { names: ['model.safetensors'], places: undefined };
  }
  const { weight_map } = await readJson(folder, INDEX);
  if (typeof weight_map !== 'object' || weight_map === null)
    refuse('weight_map', `of ${INDEX} must be an object`);
  const places = new Map(Object.entries(weight_map as Record<string, unknown>)) as Map<string, string>;
  const named = new Set(places.values());
  for (const name of named) {
    if (typeof name !== 'string' || !/^model[\w.-]*\.safetensors$/.test(name))
      refuse('weight_map', `of ${INDEX} names ${JSON.stringify(name)}, which is no shard`);
    requireFile(folder, name);
  }
  const superfluous = present.find((name) => !named.has(name));
  if (superfluous) refuse(superfluous, `is not named by ${INDEX}`);
  return { names: [...named].sort(), places };
}

/**
 * The weights of a folder in the order of their names, exactly those that the model has. Throws `invalid_data` naming
 * the tensor that is missing, of another shape, twice there, in another shard than the index says, or not known.
 */
export async function sourceWeights(folder: Folder, model: StoredModel): Promise<SourceTensor[]> {
  const { names, places } = await weightFiles(folder);
  const found = new Map<string, SourceTensor>();
  for (const name of names) {
    for (const tensor of await openSafetensors(name, requireFile(folder, name))) {
      const place = places?.get(tensor.name) ?? (places ? 'no shard' : name);
      if (place !== name) refuse(tensor.name, `lies in ${name}, but ${INDEX} says ${place}`);
      if (found.has(tensor.name)) refuse(tensor.name, 'occurs in two files');
      found.set(tensor.name, tensor);
    }
  }
  const shapes = weightShapes(model);
  for (const name of found.keys()) {
    // As transformers does, a shared output projection is taken from the embedding.
    const shared = model.tied_head && name === 'lm_head.weight';
    if (!shapes.has(name) && !shared && !DERIVED.test(name)) refuse(name, 'is no weight of this model');
  }
  return [...shapes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, shape]) => {
      const tensor = found.get(name);
      if (!tensor) refuse(name, 'is missing, although config.json asks for it');
      if (tensor.shape.join() !== shape.join())
        refuse(name, `has shape [${tensor.shape}], but config.json asks for [${shape}]`);
      return tensor;
    });
}

function refuse(name: string, problem: string): never {
  throw new TrainyardError('invalid_data', `${name} ${problem}.`, { param: name });
}
