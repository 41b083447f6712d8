import { type Client, createClient, TrainyardError } from '@trainyard/contracts';
import type { Command } from 'commander';
import { CLI_ENVIRONMENT, type Environment } from './settings.ts';
import type { Terminal } from './terminal/terminal.ts';

/** What every command has. */
export interface Context {
  env: Environment;
  terminal: Terminal;
  stdin: NodeJS.ReadStream;
  now: () => number;
}

/** What a command's action has besides: the options that hold everywhere, taken from the command line. */
export interface Session extends Context {
  json: boolean;
  client: Client;
  /** The result: as JSON where asked for, else as the text that `text` makes of it. */
  print<T>(value: T, text: (value: T) => string): void;
}

function openSession(context: Context, command: Command): Session {
  const { json = false, url } = command.optsWithGlobals<{ json?: boolean; url?: string }>();
  const { env, terminal } = context;
  const baseUrl = url ?? (env.TRAINYARD_URL || CLI_ENVIRONMENT.TRAINYARD_URL.default);
  if (!URL.canParse(baseUrl) || !/^https?:/.test(baseUrl))
    throw new TrainyardError(
      'invalid_request',
      `${baseUrl} is no address of an API; give http://host:port.`,
      {
        param: url === undefined ? 'TRAINYARD_URL' : '--url',
      },
    );
  return {
    ...context,
    json,
    client: createClient({ baseUrl, apiKey: env.TRAINYARD_API_KEY ?? '' }),
    print: (value, text) =>
      void terminal.out.write(`${json ? JSON.stringify(value, undefined, 2) : text(value)}\n`),
  };
}

/** An action that gets the session first, then its arguments and options. */
export function withSession<A extends unknown[]>(
  context: Context,
  action: (session: Session, ...args: A) => Promise<void>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    await action(openSession(context, command), ...(given.slice(0, -1) as A));
  };
}

/** An option's value as a number. Throws `invalid_request` naming the option. */
export function numberOption(name: string) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value))
      throw new TrainyardError('invalid_request', `${name} must be a number, not ${text}.`, { param: name });
    return value;
  };
}

/** An option that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];
