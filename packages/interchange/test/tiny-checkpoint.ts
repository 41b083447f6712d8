import { type CheckpointKind, type StoredModel, weightShapes } from '@trainyard/contracts';
import { BpeTrainer } from '@trainyard/tokenizer';
import type { CheckpointContent, ExportedFile, Folder } from '../src/index.ts';

const trainer = new BpeTrainer({ vocabSize: 300 });
trainer.add('the quick brown fox jumps over the lazy dog '.repeat(20));
export const tokenizer = trainer.train();

export const MODEL: StoredModel = {
  layers: 2,
  width: 16,
  heads: 4,
  kv_heads: 2,
  hidden_width: 24,
  context_length: 32,
  tied_head: true,
  rope_theta: 10_000,
  vocab_size: tokenizer.vocabSize,
  attention: 'causal',
  objective: 'next_word',
};

/** Numbers that differ from place to place, most of them no exact half-precision value. */
export const values = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(1 + i * 0.7 + seed) * 0.3);

export function tinyCheckpoint(
  change: Partial<StoredModel> = {},
  kind: CheckpointKind = 'base',
): CheckpointContent {
  const model = { ...MODEL, ...change };
  const weights = Object.fromEntries(
    [...weightShapes(model)].map(([name, shape], i) => [
      name,
      {
        shape,
        data: values(
          shape.reduce((product, size) => product * size, 1),
          i,
        ),
      },
    ]),
  );
  return {
    kind,
    model,
    weights,
    tokenizer,
    card: {
      checkpointId: '019336b0-0000-7000-8000-000000000001',
      kind,
      parameters: 1234,
      step: 10,
      createdAt: '2024-07-01T00:00:00.000Z',
      knowledgeCutoff: '2024-06-30',
      stages: ['pretrain run stories'],
      datasets: [{ name: 'stories@1', kind: 'text', licence: 'CC-BY-4.0', collectedUntil: '2024-06-30' }],
      licences: [],
      base: null,
    },
  };
}

export const contentOf = (file: ExportedFile): Buffer => Buffer.concat([...file.chunks()]);

export const jsonOf = (files: readonly ExportedFile[], name: string) =>
  JSON.parse(contentOf(files.find((file) => file.name === name)!).toString());

/** A folder in memory: an export, with files changed, added (a value or bytes) or taken away (undefined). */
export function folderOf(
  files: readonly ExportedFile[],
  changes: Record<string, Uint8Array | object | undefined> = {},
): Folder {
  const contents = new Map(files.map((file) => [file.name, contentOf(file) as Uint8Array]));
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) contents.delete(name);
    else contents.set(name, change instanceof Uint8Array ? change : Buffer.from(JSON.stringify(change)));
  }
  return new Map(
    [...contents].map(([name, content]) => [
      name,
      { bytes: content.byteLength, read: async (start, end) => content.subarray(start, end) },
    ]),
  );
}
