import type { ExportDtype } from '@trainyard/contracts';
import { type CheckpointContent, refuseKind } from './checkpoint-content.ts';
import { type ExportedFile, jsonFile } from './exported-file.ts';
import { generationConfig, llamaConfig } from './llama-config.ts';
import { modelCard } from './model-card.ts';
import { safetensorsShards } from './safetensors-files.ts';
import { tokenizerFiles } from './tokenizer-files.ts';
import { checkRange } from './weight-dtype.ts';

/**
 * A folder for `transformers`: base and assistant models as LlamaForCausalLM, reward models as
 * LlamaForSequenceClassification with one label. Throws `incompatible_checkpoint` for masked models, whose attention
 * looks both ways, and for weights that the dtype cannot hold.
 */
export function exportHuggingFace(
  content: CheckpointContent,
  { dtype, maxShardBytes }: { dtype: ExportDtype; maxShardBytes: number },
): ExportedFile[] {
  if (content.model.attention === 'bidirectional')
    refuseKind(content.kind, 'huggingface', 'it attends both ways, and the Llama classes only backwards');
  checkRange(content.weights, dtype);
  const writes = content.kind !== 'reward';
  return [
    modelCard(content.card),
    jsonFile('config.json', llamaConfig(content, dtype)),
    ...(writes ? [jsonFile('generation_config.json', generationConfig(content))] : []),
    ...safetensorsShards(content.weights, dtype, maxShardBytes),
    ...tokenizerFiles(content),
  ];
}
