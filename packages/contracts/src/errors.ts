/**
 * Every error that a client may see has one of these codes; the HTTP status belongs to the code, so that the
 * two can never disagree. RFC 9457 problem documents are made from this in the API.
 */
export const ERROR_STATUS = {
  invalid_request: 400,
  invalid_config: 400,
  invalid_data: 400,
  invalid_path: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  invalid_state: 409,
  idempotency_conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  incompatible_checkpoint: 422,
  non_finite_loss: 422,
  rate_limited: 429,
  integrity: 500,
  internal: 500,
  unavailable: 503,
  storage_full: 507,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One thing that is wrong, and where. `line` is 1-based, for line-oriented uploads. */
export interface ErrorDetail {
  message: string;
  param?: string;
  line?: number;
}

/** The one error base: what is wrong and what to do, with the offending field where there is one. */
export class TrainyardError extends Error {
  override readonly name = 'TrainyardError';
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly details: readonly ErrorDetail[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { param?: string; details?: readonly ErrorDetail[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.param = options.param;
    this.details = options.details ?? [];
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}
