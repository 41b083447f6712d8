import { type Static, Type } from 'typebox';
import { ERROR_STATUS, type ErrorCode } from '../errors.ts';
import { OneOf } from '../schema.ts';

/** An RFC 9457 problem document. `code` is stable; `param` names the offending field. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: OneOf(Object.keys(ERROR_STATUS) as ErrorCode[]),
    param: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          message: Type.String(),
          param: Type.Optional(Type.String()),
          line: Type.Optional(Type.Integer()),
        }),
      ),
    ),
    request_id: Type.String(),
  },
  { $id: 'Problem', description: 'RFC 9457 problem document' },
);
export type Problem = Static<typeof Problem>;
