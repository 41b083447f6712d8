import { Id, PageQuery, Strict } from '@trainyard/contracts';
import { type Static, Type } from 'typebox';

/** Path and query parameters that several routes share. */
export const ById = Strict({ id: Id });
export const ByReference = Strict({
  id: Type.String({
    minLength: 1,
    maxLength: 220,
    description: 'The id of a checkpoint, or an alias: name@alias.',
  }),
});
export const PageOnly = Strict(PageQuery);
export type PageOnly = Static<typeof PageOnly>;
