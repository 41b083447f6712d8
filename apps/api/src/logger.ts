import { type Logger, pino, stdSerializers } from 'pino';

/** API keys, and passwords in addresses: what an error's text may hold. */
const SECRETS = /\bty_[\w-]{8,}|(?<=:\/\/[^\s/:@]*:)[^\s/@]+(?=@)|(?<=[Bb]earer )\S+/g;
const scrub = (text: string): string => text.replace(SECRETS, '[redacted]');

function scrubbed(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code } = stdSerializers.errWithCause(error) as {
    type: string;
    message: string;
    stack: string;
    code?: unknown;
  };
  return { type, message: scrub(message), stack: scrub(stack), ...(code === undefined ? {} : { code }) };
}

/** A log of JSON lines in which no secret is written out. */
export function createLogger(level: string, destination?: NodeJS.WritableStream): Logger {
  return pino(
    {
      level,
      serializers: { err: scrubbed },
      redact: [
        'req.headers.authorization',
        'authorization',
        'key',
        '*.key',
        '*.databaseUrl',
        '*.redisUrl',
        '*.adminKey',
      ],
    },
    ...(destination ? [destination as never] : []),
  );
}
