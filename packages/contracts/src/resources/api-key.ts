import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Page, Strict, Timestamp } from '../schema.ts';

/** read: every GET. write: datasets, runs, pipelines, tags. infer: predict, complete, chat. feedback: judging. admin: all, and keys. */
export const SCOPES = ['read', 'write', 'infer', 'feedback', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const CreateApiKey = Strict(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    scopes: Type.Array(OneOf(SCOPES), { minItems: 1, uniqueItems: true }),
  },
  { $id: 'CreateApiKey' },
);
export type CreateApiKey = Static<typeof CreateApiKey>;

export const ApiKey = Type.Object(
  {
    id: Id,
    name: Type.String(),
    prefix: Type.String({ description: 'The first characters of the key, to recognise it by.' }),
    scopes: Type.Array(OneOf(SCOPES)),
    created_at: Timestamp,
    last_used_at: Nullable(Timestamp),
    revoked_at: Nullable(Timestamp),
  },
  { $id: 'ApiKey' },
);
export type ApiKey = Static<typeof ApiKey>;
export const ApiKeyPage = Page(ApiKey, 'ApiKeyPage');
export const NewApiKey = Type.Object(
  { ...ApiKey.properties, key: Type.String({ description: 'Shown once; only its hash is kept.' }) },
  { $id: 'NewApiKey' },
);
export type NewApiKey = Static<typeof NewApiKey>;
