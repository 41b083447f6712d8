import { type Static, Type } from 'typebox';
import { CalendarDate, Id, Name, Nullable, OneOf, Page, Strict, Timestamp } from '../schema.ts';

export const DATASET_KINDS = ['text', 'chat', 'instruction', 'preference', 'prompts'] as const;
export type DatasetKind = (typeof DATASET_KINDS)[number];
export const SPLITS = ['train', 'held_out'] as const;
export type Split = (typeof SPLITS)[number];

export const CreateDataset = Strict(
  {
    name: Name,
    kind: OneOf(DATASET_KINDS),
    description: Type.Optional(Type.String({ maxLength: 2000 })),
    licence: Type.Optional(Type.String({ maxLength: 200, description: 'An SPDX identifier or a sentence.' })),
  },
  { $id: 'CreateDataset' },
);
export type CreateDataset = Static<typeof CreateDataset>;

const Counts = Type.Object({ records: Type.Integer(), bytes: Type.Integer() });

export const DatasetVersion = Type.Object(
  {
    id: Id,
    dataset_id: Id,
    dataset_name: Type.String(),
    kind: OneOf(DATASET_KINDS),
    version: Type.Integer({ description: '1, 2, 3, ...; `name@version` names it.' }),
    content_hash: Type.String({
      description: 'SHA-256 over the canonical records: equal content has an equal hash.',
    }),
    train: Counts,
    held_out: Counts,
    duplicates_dropped: Type.Integer(),
    held_out_fraction: Type.Number(),
    licence: Nullable(Type.String()),
    collected_until: Nullable(CalendarDate),
    created_at: Timestamp,
  },
  { $id: 'DatasetVersion' },
);
export type DatasetVersion = Static<typeof DatasetVersion>;

export const Dataset = Type.Object(
  {
    id: Id,
    name: Type.String(),
    kind: OneOf(DATASET_KINDS),
    description: Nullable(Type.String()),
    licence: Nullable(Type.String()),
    latest_version: Nullable(Type.Integer()),
    created_at: Timestamp,
  },
  { $id: 'Dataset' },
);
export type Dataset = Static<typeof Dataset>;

/** What goes with an upload, in the query string since the body is the data. */
export const UploadQuery = Type.Object(
  {
    held_out_fraction: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.05,
        description: 'Share of records kept for evaluation, by content hash.',
      }),
    ),
    licence: Type.Optional(Type.String({ maxLength: 200 })),
    collected_until: Type.Optional(CalendarDate),
  },
  { additionalProperties: false },
);
export type UploadQuery = Static<typeof UploadQuery>;

export const ImportDataset = Strict(
  {
    path: Type.String({
      minLength: 1,
      description: "A file on the API's machine, under a folder that the operator allowed.",
    }),
    held_out_fraction: Type.Number({ minimum: 0, maximum: 1, default: 0.05 }),
    licence: Type.Optional(Type.String({ maxLength: 200 })),
    collected_until: Type.Optional(CalendarDate),
  },
  { $id: 'ImportDataset' },
);
export type ImportDataset = Static<typeof ImportDataset>;

export const DatasetPreview = Type.Object(
  { split: OneOf(SPLITS), records: Type.Array(Type.Unknown()) },
  { $id: 'DatasetPreview' },
);
export type DatasetPreview = Static<typeof DatasetPreview>;
export const DatasetPage = Page(Dataset, 'DatasetPage');
export const DatasetVersionPage = Page(DatasetVersion, 'DatasetVersionPage');
