import { type ErrorCode, type ErrorDetail, type Problem, TrainyardError } from '@trainyard/contracts';
import { databaseError } from '@trainyard/db';
import type { FastifyError, FastifySchemaValidationError } from 'fastify';

/** `/stages/0/inputs` -> `stages[0].inputs` */
const dotted = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');

function explain(error: FastifySchemaValidationError): ErrorDetail {
  const at = dotted(error.instancePath);
  const field = (name: unknown): string => (at ? `${at}.${name}` : String(name));
  const { params } = error;
  switch (error.keyword) {
    case 'additionalProperties':
      return { param: field(params.additionalProperty), message: 'is not a known field' };
    case 'required':
      return { param: field(params.missingProperty), message: 'is missing' };
    case 'enum':
      return { param: at, message: `must be one of ${(params.allowedValues as unknown[]).join(', ')}` };
    case 'anyOf':
      return { param: at, message: 'has none of the allowed forms' };
    default:
      return { param: at, message: error.message ?? 'is not valid' };
  }
}

function validationError(error: FastifyError): TrainyardError {
  const problems = error.validation ?? [];
  const { param, message } = explain(problems.find(({ keyword }) => keyword === 'anyOf') ?? problems[0]!);
  const part = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'body');
  const subject = param || `The ${part}`;
  return new TrainyardError('invalid_request', `${subject} ${message}.`, param ? { param } : {});
}

const byStatus: Record<number, ErrorCode> = {
  404: 'not_found',
  413: 'payload_too_large',
  503: 'unavailable',
};

/** Whatever was thrown as an error that a client may see; what is not meant for clients becomes `internal`. */
export function toTrainyardError(error: unknown): TrainyardError {
  if (error instanceof TrainyardError) return error;
  const { validation, statusCode = 500, message, code: given } = (error ?? {}) as FastifyError;
  const code = typeof given === 'string' ? given : ''; // a DOMException has a number
  if (validation) return validationError(error as FastifyError);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new TrainyardError('unsupported_media_type', 'The route does not take this content type.', {
      param: 'Content-Type',
    });
  if (code.startsWith('FST_') && statusCode < 504)
    return new TrainyardError(byStatus[statusCode] ?? 'invalid_request', `${message}.`, { cause: error });
  if ((error as Error | undefined)?.name === 'AbortError')
    return new TrainyardError('invalid_request', 'The client went away.', { cause: error });
  if (['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code))
    return new TrainyardError('invalid_request', 'The request ended before its body did.', { cause: error });
  return (
    databaseError(error) ?? new TrainyardError('internal', 'Something went wrong here.', { cause: error })
  );
}

const title = (code: ErrorCode): string => (code[0]!.toUpperCase() + code.slice(1)).replaceAll('_', ' ');

/** The RFC 9457 problem document of an error. */
export function toProblem(error: TrainyardError, requestId: string): Problem {
  const { code, status } = error;
  const hidden = code === 'internal';
  return {
    type: `urn:trainyard:problem:${code}`,
    title: title(code),
    status,
    detail: hidden ? `Something went wrong here; the log has it under request ${requestId}.` : error.message,
    code,
    ...(error.param && !hidden ? { param: error.param } : {}),
    ...(error.details.length > 0 && !hidden ? { errors: [...error.details] } : {}),
    request_id: requestId,
  };
}
