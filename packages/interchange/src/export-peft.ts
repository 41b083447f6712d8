import { adapterNames, type ExportDtype, type LORA_TARGETS, TrainyardError } from '@trainyard/contracts';
import type { CheckpointContent, Weights } from './checkpoint-content.ts';
import { type ExportedFile, jsonFile } from './exported-file.ts';
import { modelCard } from './model-card.ts';
import { safetensorsFile } from './safetensors-files.ts';
import { checkRange } from './weight-dtype.ts';

/** How adapters were trained: W + alpha / rank * B A (Hu et al. 2021). */
export interface LoraSettings {
  rank: number;
  alpha: number;
  targets: readonly (typeof LORA_TARGETS)[number][];
}

/**
 * A folder for `peft`: adapter_config.json and adapter_model.safetensors, to be put on the base checkpoint's own export.
 * @param optimizer the checkpoint's optimizer.safetensors, where a LoRA run keeps its adapters under PEFT's names.
 * @throws TrainyardError `incompatible_checkpoint` for a checkpoint without adapters.
 */
export function exportPeft(
  content: CheckpointContent,
  { dtype, lora, optimizer }: { dtype: ExportDtype; lora: LoraSettings | undefined; optimizer: Weights },
): ExportedFile[] {
  const names = Object.keys(content.weights).flatMap((weight) => Object.values(adapterNames(weight)));
  const adapters = names.filter((name) => Object.hasOwn(optimizer, name)).sort();
  if (!lora || adapters.length === 0)
    throw new TrainyardError(
      'incompatible_checkpoint',
      'The checkpoint has no adapters: only a run with method lora, or an imported PEFT folder, leaves some.',
      { param: 'format' },
    );
  const picked = adapters.map((name) => [name, optimizer[name]!] as const);
  checkRange(Object.fromEntries(picked), dtype);
  return [
    modelCard(content.card, 'peft'),
    jsonFile('adapter_config.json', adapterConfig(lora, content.card.base)),
    safetensorsFile(
      'adapter_model.safetensors',
      picked.map(([name, weight]) => [name, weight]),
      dtype,
    ),
  ];
}

const adapterConfig = ({ rank, alpha, targets }: LoraSettings, base: string | null) => ({
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  // The id of the base checkpoint: where its export lies is for the user to say.
  base_model_name_or_path: base,
  r: rank,
  lora_alpha: alpha,
  target_modules: [...targets].sort(),
  lora_dropout: 0,
  bias: 'none',
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  modules_to_save: null,
  use_rslora: false,
  use_dora: false,
});
