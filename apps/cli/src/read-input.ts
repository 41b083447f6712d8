import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { TrainyardError } from '@trainyard/contracts';

type JsonObject = Record<string, unknown>;

/** An error about a local file, as bad input. */
export function fileError(file: string, error: unknown, param: string): TrainyardError {
  const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error);
  return new TrainyardError('invalid_path', `Cannot read ${file}: ${reason}.`, { param, cause: error });
}

/**
 * A JSON object from a file, from standard input (`-`) or from the argument itself (it begins with `{`).
 * Throws `invalid_path` or `invalid_data` naming `param`.
 */
export async function readJson(
  argument: string,
  stdin: NodeJS.ReadStream,
  param: string,
): Promise<JsonObject> {
  const inline = argument.trimStart().startsWith('{');
  const read = () => (argument === '-' ? text(stdin) : readFile(argument, 'utf8'));
  const content = inline
    ? argument
    : await read().catch((error: unknown) => {
        throw fileError(argument, error, param);
      });
  const from = inline ? param : argument === '-' ? 'standard input' : argument;
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new TrainyardError('invalid_data', `${from} is not JSON: ${(error as Error).message}.`, { param });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TrainyardError('invalid_data', `${from} must hold a JSON object.`, { param });
  return value as JsonObject;
}

/** Sets `optimization.steps=10` in a copy of `config`. A value that is not JSON is a string. */
export function withSetting(config: JsonObject, setting: string): JsonObject {
  const [, path, value] = /^([a-z]\w*(?:\.[a-z]\w*)*)=(.*)$/is.exec(setting) ?? [];
  if (path === undefined || value === undefined)
    throw new TrainyardError('invalid_request', `--set takes name.of.option=value, not ${setting}.`, {
      param: '--set',
    });
  const [name, ...rest] = path.split('.') as [string, ...string[]];
  const inner = Object.hasOwn(config, name) ? config[name] : {};
  const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
  if (rest.length === 0) return { ...config, [name]: parseValue(value) };
  return {
    ...config,
    [name]: withSetting(isObject ? (inner as JsonObject) : {}, `${rest.join('.')}=${value}`),
  };
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
