import { TrainyardError } from '@trainyard/contracts';

/** What the process's exit status says. */
export const EXIT = {
  ok: 0,
  /** The operation failed: the run or pipeline failed or was cancelled, a gate was missed, the server broke. */
  failed: 1,
  /** Usage or bad input: refused here, or by the API with a 4xx. */
  usage: 2,
  /** There is no API at the address, or it cannot serve now. */
  unreachable: 3,
} as const;

export const EXIT_HELP = `
Exit status: 0 done; 1 the operation, run, pipeline or a gate failed; 2 usage or bad input (4xx);
3 the API is out of reach. Errors go to stderr; with --json, stdout holds JSON only.
Environment: TRAINYARD_URL (http://127.0.0.1:8080), TRAINYARD_API_KEY.`;

/** A command that did what it was asked and found a failure, which is already shown. */
export class Failure extends Error {
  readonly status: number;

  constructor(message?: string, status: number = EXIT.failed) {
    super(message);
    this.status = status;
  }
}

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof TrainyardError)) return EXIT.failed;
  if (error.code === 'unavailable') return EXIT.unreachable;
  return error.status < 500 ? EXIT.usage : EXIT.failed;
}

const ADVICE: Partial<Record<TrainyardError['code'], string>> = {
  unauthenticated: 'Set TRAINYARD_API_KEY to a key of this server; `trainyard up` prints the first one once.',
  unavailable: 'Set TRAINYARD_URL to where the API is, or start one with `trainyard up`.',
};

/** What is wrong, where, and what to do: for stderr. */
export function describeError(error: unknown, json: boolean): string {
  const known = error instanceof TrainyardError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const advice = known && ADVICE[known.code];
  if (json) {
    const { code = 'internal', param, details = [] } = known ?? {};
    return JSON.stringify({ error: { code, message, ...(param && { param }), details } });
  }
  const rest = known?.details.filter((detail) => detail.message !== message) ?? [];
  return [
    `error: ${message}`,
    ...(known?.param && !message.includes(known.param) ? [`  at: ${known.param}`] : []),
    ...rest.map(({ line, param, message: what }) => {
      const where = [line && `line ${line}`, param].filter(Boolean).join(', ');
      return `  ${where && `${where}: `}${what}`;
    }),
    ...(advice ? [`  ${advice}`] : []),
  ].join('\n');
}
