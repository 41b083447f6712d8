import { type Static, Type } from 'typebox';
import { CalendarDate, Id, Nullable, OneOf, Page, Strict, Timestamp } from '../schema.ts';

/** What a checkpoint can do. `masked` predicts blanks and cannot chat; `reward` only scores. */
export const CHECKPOINT_KINDS = ['base', 'masked', 'assistant', 'reward'] as const;
export type CheckpointKind = (typeof CHECKPOINT_KINDS)[number];

export const CheckpointFile = Type.Object({
  name: Type.String(),
  sha256: Type.String(),
  bytes: Type.Integer(),
});
export type CheckpointFile = Static<typeof CheckpointFile>;

export const Checkpoint = Type.Object(
  {
    id: Id,
    run_id: Id,
    kind: OneOf(CHECKPOINT_KINDS),
    step: Type.Integer(),
    epoch: Type.Integer(),
    final: Type.Boolean(),
    tokenizer_id: Id,
    parameters: Type.Integer(),
    model: Type.Record(Type.String(), Type.Unknown()),
    manifest_sha256: Type.String(),
    bytes: Type.Integer(),
    metrics: Type.Record(Type.String(), Type.Number()),
    knowledge_cutoff: Nullable(CalendarDate),
    tags: Type.Array(Type.String()),
    aliases: Type.Array(Type.String()),
    created_at: Timestamp,
    damaged_at: Nullable(
      Type.String({
        format: 'date-time',
        description:
          'When its files were found missing or not to be what was written; no run resumes from it.',
      }),
    ),
    retired_at: Nullable(
      Type.String({
        format: 'date-time',
        description: 'When retention gave it up; nothing new may refer to it.',
      }),
    ),
    deleted_at: Nullable(
      Type.String({
        format: 'date-time',
        description: 'When its files were deleted; its row and lineage stay.',
      }),
    ),
  },
  { $id: 'Checkpoint' },
);
export type Checkpoint = Static<typeof Checkpoint>;
export const CheckpointPage = Page(Checkpoint, 'CheckpointPage');
export const CheckpointFiles = Type.Object({ data: Type.Array(CheckpointFile) }, { $id: 'CheckpointFiles' });
export type CheckpointFiles = Static<typeof CheckpointFiles>;

export const Tag = Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' });
export const SetTags = Strict(
  { tags: Type.Array(Tag, { maxItems: 50, uniqueItems: true }) },
  { $id: 'SetTags' },
);
export const ALIAS_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z][A-Za-z0-9._-]*$';
export const SetAlias = Strict({ checkpoint_id: Id }, { $id: 'SetAlias' });
export const Alias = Type.Object(
  { name: Type.String(), checkpoint_id: Id, updated_at: Timestamp },
  { $id: 'Alias' },
);
export type Alias = Static<typeof Alias>;
export const AliasPage = Page(Alias, 'AliasPage');

export const Tokenizer = Type.Object(
  {
    id: Id,
    run_id: Id,
    vocab_size: Type.Integer(),
    sha256: Type.String(),
    bytes_per_token: Nullable(
      Type.Number({
        description:
          'Measured on held-out text, else on the text it was trained on; null of an imported one.',
      }),
    ),
    created_at: Timestamp,
  },
  { $id: 'Tokenizer' },
);
export type Tokenizer = Static<typeof Tokenizer>;
export const TokenizerPage = Page(Tokenizer, 'TokenizerPage');

export const EncodeRequest = Strict({ text: Type.String({ maxLength: 100_000 }) }, { $id: 'EncodeRequest' });
export const Encoding = Type.Object(
  {
    tokens: Type.Array(Type.Integer()),
    pieces: Type.Array(Type.String(), {
      description: 'What each token reads as; part of a character as U+FFFD.',
    }),
  },
  { $id: 'Encoding' },
);
export type Encoding = Static<typeof Encoding>;
export const DecodeRequest = Strict(
  { tokens: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 100_000 }) },
  { $id: 'DecodeRequest' },
);
export const Decoding = Type.Object({ text: Type.String() }, { $id: 'Decoding' });
export type Decoding = Static<typeof Decoding>;
