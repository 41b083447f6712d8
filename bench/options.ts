import { parseArgs } from 'node:util';
import { ENGINES, type EngineName } from './engines.ts';
import { SIZES, type SizeName } from './sizes.ts';

const BACKENDS = ['tensorflow-gpu', 'tensorflow', 'wasm', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

const PARTS = ['train', 'forward', 'generate', 'tokenizer'] as const;
type Part = (typeof PARTS)[number];

export interface Options {
  /** Where the figures go as JSON. */
  json?: string;
  sizes: SizeName[];
  backends: Backend[];
  engines: EngineName[];
  only: Part[];
  /** Measured iterations of each contestant; as many as fit into some seconds unless given. */
  steps?: number;
  /** The fewest iterations and the smallest inputs: shows that everything runs. */
  quick: boolean;
  peer: boolean;
  /** Text files for the tokenizer; invented text unless given. */
  text: string[];
}

export const HELP = `npm run bench -- [options]

  --json FILE       write the figures as JSON
  --sizes LIST      of ${Object.keys(SIZES).join(', ')} (default S,M,L)
  --backends LIST   of ${BACKENDS.join(', ')} (default tensorflow,wasm,cpu)
  --engines LIST    of ${ENGINES.join(', ')} (default all that the backend has)
  --only LIST       of ${PARTS.join(', ')} (default all)
  --steps N         iterations to measure, for each row (default: about ten seconds' worth)
  --text FILE       text for the tokenizer; may be repeated (default: 10 MB of invented words)
  --quick           the fewest iterations, to see that everything runs
  --no-peer         do not measure PyTorch and Python's tokenizers beside it
  --help

Environment: BENCH_PYTHON, a Python that has torch (and tokenizers); else python3 is looked at, then
bench-venv/bin/python3 in the cache folder (TRAINYARD_CACHE).`;

/** The command line asks for what does not exist. */
export class UsageError extends Error {}

/** @throws UsageError naming the option and what it takes. */
export function parseOptions(args: string[]): Options | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const { json, steps, quick = false, text = [] } = values;
  return {
    ...(json !== undefined && { json }),
    ...(steps !== undefined && { steps: positive(steps) }),
    sizes: list('--sizes', values.sizes ?? 'S,M,L', Object.keys(SIZES) as SizeName[]),
    backends: list('--backends', values.backends ?? 'tensorflow,wasm,cpu', BACKENDS),
    engines: list('--engines', values.engines ?? ENGINES.join(), ENGINES),
    only: list('--only', values.only ?? PARTS.join(), PARTS),
    quick,
    peer: !values['no-peer'],
    text,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        json: { type: 'string' },
        sizes: { type: 'string' },
        backends: { type: 'string' },
        engines: { type: 'string' },
        only: { type: 'string' },
        steps: { type: 'string' },
        text: { type: 'string', multiple: true },
        quick: { type: 'boolean' },
        'no-peer': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}; see npm run bench -- --help.`);
  }
}

/** Names separated by commas, in the order of `known`. */
function list<T extends string>(option: string, value: string, known: readonly T[]): T[] {
  const names = value.split(',').map((name) => name.trim());
  for (const name of names)
    if (!known.includes(name as T))
      throw new UsageError(`${option} has "${name}"; use any of ${known.join(', ')}, separated by commas.`);
  return known.filter((name) => names.includes(name));
}

function positive(value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new UsageError(`--steps is "${value}"; it must be a whole number of 1 or more.`);
}
