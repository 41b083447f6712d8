import { EXPORT_DTYPES, EXPORT_FORMATS, type ExportDtype, type ExportFormat } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption, type Session, withSession } from '../context.ts';
import { packFolder } from '../pack-folder.ts';
import { openTarget, unpackTar } from '../unpack-tar.ts';
import { showCheckpoint } from './show-checkpoint.ts';

interface ExportOptions {
  format: ExportFormat;
  dtype: ExportDtype;
  maxShardBytes?: number;
  force?: boolean;
}

interface ImportOptions {
  name?: string;
  licence?: string;
  collectedUntil?: string;
  base?: string;
}

/** `checkpoints export` and `checkpoints import`. */
export function interchangeCommands(checkpoints: Command, context: Context): void {
  checkpoints
    .command('export <checkpoint> <folder>')
    .description(
      'write it for other tools: a Hugging Face folder, a GGUF file, or its LoRA adapters for peft',
    )
    .addOption(new Option('--format <format>').choices(EXPORT_FORMATS).default('huggingface'))
    .addOption(
      new Option('--dtype <dtype>', 'what weights are rounded to').choices(EXPORT_DTYPES).default('f32'),
    )
    .option(
      '--max-shard-bytes <n>',
      'divide the weights into files of this size',
      numberOption('--max-shard-bytes'),
    )
    .option('--force', 'replace files in a folder that is not empty')
    .action(withSession(context, exportTo));
  checkpoints
    .command('import <folder>')
    .description('a Hugging Face folder of a Llama model as a checkpoint; with --base, LoRA adapters of peft')
    .option('--name <name>', 'of the run that stands for the import')
    .option('--licence <licence>', 'of the weights: an SPDX identifier or a sentence')
    .option('--collected-until <date>', 'YYYY-MM-DD: where its knowledge ends')
    .option('--base <checkpoint>', 'the checkpoint that the adapters belong to')
    .action(withSession(context, importFrom));
}

async function exportTo(
  { client, print }: Session,
  reference: string,
  folder: string,
  { format, dtype, maxShardBytes, force = false }: ExportOptions,
): Promise<void> {
  const { id } = await client.checkpoints.get(reference);
  const { body } = await client.checkpoints.export(id, {
    format,
    dtype,
    ...(maxShardBytes !== undefined && { max_shard_bytes: maxShardBytes }),
  });
  await openTarget(folder, force);
  const files = await unpackTar(body!, folder);
  print({ checkpoint: id, format, dtype, files }, () => files.join('\n'));
}

async function importFrom(
  { client, print }: Session,
  folder: string,
  { name, licence, collectedUntil, base }: ImportOptions,
): Promise<void> {
  const imported = await client.checkpoints.import(await packFolder(folder), {
    ...(name !== undefined && { name }),
    ...(licence !== undefined && { licence }),
    ...(collectedUntil !== undefined && { collected_until: collectedUntil }),
    ...(base !== undefined && { base }),
  });
  print(imported, showCheckpoint);
}
