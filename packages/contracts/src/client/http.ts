import { type ErrorCode, TrainyardError } from '../errors.ts';
import type { Problem } from '../resources/problem.ts';

export interface ClientOptions {
  /** For instance http://127.0.0.1:8080. */
  baseUrl: string;
  apiKey: string;
}

type Query = Record<string, string | number | boolean | undefined>;

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Query;
  body?: unknown;
  /** A body that is sent as it is, instead of JSON. */
  raw?: { content: NonNullable<RequestInit['body']>; type: string; encoding?: 'gzip' | 'zstd' };
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export type Send = (path: string, call?: Call) => Promise<Response>;

/**
 * Sends requests with the key. An answer outside 2xx becomes the `TrainyardError` that the server described;
 * no answer at all is `unavailable`.
 */
export function createSend({ baseUrl, apiKey }: ClientOptions): Send {
  return async (path, call = {}) => {
    const url = new URL(path, baseUrl);
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const { raw, body } = call;
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}`, ...call.headers };
    if (raw) headers['content-type'] = raw.type;
    else if (body !== undefined) headers['content-type'] = 'application/json';
    if (raw?.encoding) headers['content-encoding'] = raw.encoding;
    if (call.idempotencyKey) headers['idempotency-key'] = call.idempotencyKey;
    const content = raw ? raw.content : body === undefined ? null : JSON.stringify(body);
    const streamed = content instanceof ReadableStream ? { duplex: 'half' } : {};
    let response: Response;
    try {
      response = await fetch(url, {
        method: call.method ?? 'GET',
        headers,
        body: content,
        ...streamed,
        ...(call.signal ? { signal: call.signal } : {}),
      } as RequestInit);
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw new TrainyardError(
        'unavailable',
        `There is no answer from ${url.origin}. Is the API running there?`,
        { cause },
      );
    }
    if (!response.ok) throw await toError(response);
    return response;
  };
}

async function toError(response: Response): Promise<TrainyardError> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Problem;
    return new TrainyardError(problem.code, problem.detail, {
      ...(problem.param === undefined ? {} : { param: problem.param }),
      details: problem.errors ?? [],
    });
  } catch {
    const code: ErrorCode = response.status >= 500 ? 'unavailable' : 'invalid_request';
    return new TrainyardError(code, `The server answered ${response.status}: ${text.slice(0, 200)}`);
  }
}
