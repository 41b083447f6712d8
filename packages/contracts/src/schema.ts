import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';

/** An object that refuses fields it does not know: a misspelt option must be an error, not silence. */
export function Strict<T extends TProperties>(
  properties: T,
  options: { $id?: string; description?: string } = {},
) {
  return Type.Object(properties, { additionalProperties: false, ...options }) as TObject<T>;
}

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** One of a closed set of strings, stated once as a constant tuple. */
export const OneOf = <const T extends readonly string[]>(
  values: T,
  options: { default?: T[number]; description?: string } = {},
) => Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options });

export const Id = Type.String({ format: 'uuid', description: 'A UUID.' });
export const Timestamp = Type.String({ format: 'date-time', description: 'An RFC 3339 time in UTC.' });
export const CalendarDate = Type.String({ format: 'date', description: 'A calendar date, YYYY-MM-DD.' });
export const Json = Type.Unknown();
/** A string that names something: a letter or digit first, then letters, digits, '.', '_' and '-'. */
export const Name = Type.String({ minLength: 1, maxLength: 100, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' });

/** A reference by `$id`, so that OpenAPI shows a named component, with the static type kept. */
export const ref = <T extends TSchema>(schema: T) =>
  Type.Unsafe<Static<T>>({ $ref: `${(schema as { $id?: string }).$id}#` });

/** A page of a list: newest first; pass the last id as `after` for the next one. The item is a component of its own. */
export const Page = <T extends TSchema>(item: T, $id: string) =>
  Type.Object({ data: Type.Array(ref(item)), has_more: Type.Boolean() }, { $id });

export const PageQuery = {
  after: Type.Optional(Type.String({ description: 'The id of the last object of the page before.' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
};
