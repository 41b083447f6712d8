import { isUtf8 } from 'node:buffer';
import { TrainyardError } from '@trainyard/contracts';
import type { FastifyInstance } from 'fastify';

/** Deeper than any request needs; far from where recursion over a value would exhaust the stack. */
const MAX_DEPTH = 64;

function refuse(path: string, problem: string): never {
  const where = path || 'The body';
  throw new TrainyardError('invalid_request', `${where} ${problem}.`, path ? { param: path } : {});
}

/** Refuses what is JSON and yet cannot be kept: nesting without end, and text that Postgres does not store. */
function check(value: unknown, path: string, depth: number): void {
  if (typeof value === 'string') checkText(value, path);
  if (typeof value !== 'object' || value === null) return;
  if (depth === MAX_DEPTH) refuse(path.slice(0, 100), `is nested deeper than ${MAX_DEPTH} levels`);
  for (const [key, child] of Object.entries(value)) {
    checkText(key, path);
    if (key === '__proto__') refuse(path, 'has a field __proto__, which is not allowed');
    const step = Array.isArray(value) ? `[${key}]` : path ? `.${key}` : key;
    check(child, path + step, depth + 1);
  }
}

function checkText(text: string, path: string): void {
  if (text.includes('\0')) refuse(path, 'holds a NUL character');
  if (/\p{Surrogate}/u.test(text)) refuse(path, 'holds half of a surrogate pair');
}

function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) refuse('', 'is not valid UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    refuse('', `is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  check(value, '', 0);
  return value;
}

/** JSON is the one content type that routes take unless they say otherwise; an empty body is no body. */
export function useJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => parse(body),
  );
}
