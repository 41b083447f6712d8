import type { ExportCheckpoint, Run, StoredModel } from '@trainyard/contracts';
import { getCheckpoint, getLineage, getRun, getTokenizer, resolveStoredCheckpoint } from '@trainyard/db';
import {
  type CheckpointContent,
  type ExportedFile,
  exportGguf,
  exportHuggingFace,
  exportPeft,
  type LoraSettings,
  toWeights,
} from '@trainyard/interchange';
import { decodeSafetensors, readCheckpoint } from '@trainyard/storage';
import { Tokenizer } from '@trainyard/tokenizer';
import { cardFacts } from './card-facts.ts';
import type { Dependencies } from './dependencies.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const OPTIMIZER_FILE = 'optimizer.safetensors';

/**
 * A checkpoint's files in another tool's format. Its weights are read whole and verified first; what a dtype makes of
 * them is made piece by piece when the files' content is asked for.
 * @throws TrainyardError `not_found`, `incompatible_checkpoint` for what the format cannot hold.
 */
export async function exportCheckpoint(
  { db, blobs }: Pick<Dependencies, 'db' | 'blobs'>,
  reference: string,
  { format, dtype, max_shard_bytes }: ExportCheckpoint,
): Promise<{ id: string; files: ExportedFile[] }> {
  const { id } = await resolveStoredCheckpoint(db.client, reference, 'id');
  const checkpoint = await getCheckpoint(db, id);
  const { sha256 } = await getTokenizer(db, checkpoint.tokenizer_id);
  const { file, manifest } = await readCheckpoint(blobs, checkpoint.manifest_sha256);
  const read = async (name: string) => toWeights(decodeSafetensors(await file(name)).tensors);
  const tokenizer = Tokenizer.fromJson(JSON.parse(Buffer.from(await blobs.read({ sha256 })).toString()));
  const content: CheckpointContent = {
    kind: checkpoint.kind,
    model: manifest.model as StoredModel,
    weights: await read(WEIGHTS_FILE),
    tokenizer,
    card: cardFacts(checkpoint, await getLineage(db, 'checkpoint', id, 'up')),
  };
  switch (format) {
    case 'huggingface':
      return { id, files: exportHuggingFace(content, { dtype, maxShardBytes: max_shard_bytes }) };
    case 'gguf':
      return { id, files: exportGguf(content, { dtype }) };
    case 'peft': {
      const lora = loraOf(await getRun(db, checkpoint.run_id));
      const optimizer = lora ? await read(OPTIMIZER_FILE) : {};
      return { id, files: exportPeft(content, { dtype, lora, optimizer }) };
    }
  }
}

/** How the adapters of a run were made, if it made some. */
function loraOf({ stage, config }: Run): LoraSettings | undefined {
  const { method, lora } = config as { method?: string; lora?: LoraSettings };
  return stage === 'import' || method === 'lora' ? lora : undefined;
}
