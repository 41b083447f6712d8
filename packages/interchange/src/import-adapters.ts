import { adapterNames, LORA_TARGETS, TrainyardError } from '@trainyard/contracts';
import type { Weights } from './checkpoint-content.ts';
import { ConfigReader } from './config-reader.ts';
import type { LoraSettings } from './export-peft.ts';
import { checkFileName, type Folder, readJson, requireFile } from './folder-files.ts';
import { checkFinite, openSafetensors, readWhole } from './safetensors-source.ts';

export interface ImportedAdapters {
  lora: LoraSettings;
  /** Under PEFT's names. */
  adapters: Weights;
  /** The base's weights with the adapters added in. */
  merged: Weights;
}

/**
 * Reads a PEFT folder of LoRA adapters and adds them to the weights of the base: W + alpha / rank * B A.
 * @throws TrainyardError `invalid_data`, `param` naming the file, key or tensor that is wrong, not supported, or does
 *   not fit the base.
 */
export async function importAdapters(folder: Folder, base: Weights): Promise<ImportedAdapters> {
  for (const name of folder.keys()) checkFileName(name);
  const { rank, alpha } = readAdapterConfig(await readJson(folder, 'adapter_config.json'));
  const file = 'adapter_model.safetensors';
  const found = new Map(
    (await openSafetensors(file, requireFile(folder, file))).map((one) => [one.name, one]),
  );
  const adapters: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  const merged: Record<string, { shape: readonly number[]; data: Float32Array }> = { ...base };
  const targets = LORA_TARGETS.filter((target) =>
    [...found.keys()].some((name) => name.includes(`.${target}.lora_`)),
  );
  for (const [name, weight] of Object.entries(base)) {
    if (!targets.some((target) => name.endsWith(`.${target}.weight`))) continue;
    const names = adapterNames(name);
    const [outputs, inputs] = weight.shape as [number, number];
    const take = async (adapter: string, shape: number[]): Promise<Float32Array> => {
      const tensor = found.get(adapter);
      found.delete(adapter);
      if (!tensor) refuse(adapter, 'is missing: every layer of a target needs its adapter');
      if (tensor.shape.join() !== shape.join())
        refuse(adapter, `has shape [${tensor.shape}], but r and the base ask for [${shape}]`);
      const data = await readWhole(tensor);
      adapters[adapter] = { shape, data };
      return data;
    };
    const a = await take(names.a, [rank, inputs]);
    const b = await take(names.b, [outputs, rank]);
    merged[name] = { shape: weight.shape, data: addProduct(weight.data, a, b, rank, alpha / rank) };
    checkFinite(name, merged[name].data);
  }
  for (const name of found.keys()) refuse(name, 'is no adapter of a projection of the base');
  if (targets.length === 0) refuse(file, 'holds no adapters');
  return { lora: { rank, alpha, targets }, adapters, merged };
}

/** weight [out, in] + scale * b [out, rank] a [rank, in]. */
function addProduct(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  rank: number,
  scale: number,
): Float32Array {
  const sum = Float32Array.from(weight);
  const inputs = a.length / rank;
  for (let row = 0; row < b.length / rank; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!;
      for (let i = 0; i < inputs; i++) sum[row * inputs + i]! += factor * a[r * inputs + i]!;
    }
  }
  return sum;
}

function readAdapterConfig(values: Record<string, unknown>): { rank: number; alpha: number } {
  const config = new ConfigReader('adapter_config.json', values);
  config.only('peft_type', 'LORA', 'only LoRA is');
  config.only('task_type', 'CAUSAL_LM', 'only adapters of language models are');
  config.only('bias', 'none', 'biases are not adapted');
  for (const key of ['use_dora', 'use_rslora', 'fan_in_fan_out', 'lora_bias', 'use_qalora'])
    config.absent(key, 'adapters are W + lora_alpha / r * B A');
  for (const key of [
    'modules_to_save',
    'rank_pattern',
    'alpha_pattern',
    'layers_to_transform',
    'target_parameters',
  ])
    config.absent(key, 'one rank and one alpha hold for all layers, and nothing but adapters is taken');
  return { rank: config.count('r', 65_536), alpha: config.positive('lora_alpha') };
}

function refuse(name: string, problem: string): never {
  throw new TrainyardError('invalid_data', `${name} ${problem}.`, { param: name });
}
