import { type Static, Type } from 'typebox';
import { CalendarDate, Name, OneOf, Strict } from '../schema.ts';

export const EXPORT_FORMATS = ['huggingface', 'gguf', 'peft'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
export const EXPORT_DTYPES = ['f32', 'f16', 'bf16'] as const;
export type ExportDtype = (typeof EXPORT_DTYPES)[number];

export const ExportCheckpoint = Strict(
  {
    format: OneOf(EXPORT_FORMATS, {
      default: 'huggingface',
      description:
        'huggingface: a folder for transformers. gguf: one file for llama.cpp. peft: the LoRA adapters alone.',
    }),
    dtype: OneOf(EXPORT_DTYPES, {
      default: 'f32',
      description: 'What weights are rounded to; the norms of gguf stay f32.',
    }),
    max_shard_bytes: Type.Integer({
      minimum: 1,
      default: 5_000_000_000,
      description: 'Most bytes of weights in one safetensors file (huggingface); a tensor is never divided.',
    }),
  },
  { $id: 'ExportCheckpoint' },
);
export type ExportCheckpoint = Static<typeof ExportCheckpoint>;

export const ImportQuery = Strict({
  name: Type.Optional(Name),
  licence: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'The licence of the weights.' }),
  ),
  collected_until: Type.Optional(CalendarDate),
  base: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 220,
      description: 'For a PEFT folder: the checkpoint, or its alias, that the adapters belong to.',
    }),
  ),
});
export type ImportQuery = Static<typeof ImportQuery>;
