import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { contest, type Effort, type Entrant, type Failed } from './contest.ts';
import type { Command } from './contestant.ts';
import { readDocuments } from './documents.ts';
import {
  type ModelFigures,
  modelFigures,
  PEER,
  TOKENIZERS,
  type TokenizerFigures,
  tokenizerFigures,
} from './figures.ts';
import type { Backend, Options } from './options.ts';
import { type Heat, type LeftOut, nameOf, plan } from './plan.ts';
import type { Python } from './python.ts';
import type { Sgemm, SgemmSpec } from './sgemm.ts';
import type { Spec, TokenizerSpec } from './spec.ts';

export interface Surroundings {
  /** Of the machine: what both sides are given. */
  threads: number;
  /** With PyTorch, and with `tokenizers`; undefined where there is none, or none is wanted. */
  torch: Python | undefined;
  tokenizers: Python | undefined;
  log: (line: string) => void;
}

export interface Outcome {
  sgemm: Partial<Record<Backend, Sgemm>>;
  models: ModelFigures[];
  tokenizer: TokenizerFigures[];
  leftOut: LeftOut[];
  failed: LeftOut[];
}

const VOCAB_SIZE = 4096;
const TEXT_BYTES = 10e6;
const QUICK_TEXT_BYTES = 200_000;

const script = (name: string): string => path.join(import.meta.dirname, name);

function ours(file: string, spec: Spec | SgemmSpec): Command {
  const args = ['--conditions=source', '--import', 'tsx', script(file), JSON.stringify(spec)];
  return { program: process.execPath, args };
}

function peers({ program }: Python, spec: Spec, variant: string, env: Record<string, string> = {}): Command {
  return { program, args: [script('peer/peer.py'), JSON.stringify(spec), variant], env };
}

/** Measures what the options ask for. What cannot be measured is named with its reason. */
export async function run(options: Options, around: Surroundings): Promise<Outcome> {
  const outcome: Outcome = { sgemm: {}, models: [], tokenizer: [], leftOut: [], failed: [] };
  const effort: Effort = {
    ...(options.steps !== undefined && { iterations: options.steps }),
    ...(options.quick ? { seconds: 0, least: 2, most: 2 } : { seconds: 10, least: 3, most: 50 }),
  };
  if (options.only.some((part) => part !== 'tokenizer'))
    await measureModels(options, effort, around, outcome);
  if (options.only.includes('tokenizer')) await measureTokenizer(options, effort, around, outcome);
  return outcome;
}

async function measureModels(
  options: Options,
  effort: Effort,
  around: Surroundings,
  outcome: Outcome,
): Promise<void> {
  await measureLimits(options, around, outcome);
  const limits = new Map(
    Object.entries(outcome.sgemm).map(([backend, { best }]) => [backend as Backend, best]),
  );
  const { heats, leftOut } = plan(options, around.threads, limits);
  outcome.leftOut.push(...leftOut);
  for (const heat of heats) {
    around.log(`${nameOf(heat)} ...`);
    const { measured, failed } = await contest(entrants(heat, options, around), effort);
    const { backend } = heat.spec;
    const limit = limits.get(backend === 'tensorflow-gpu' ? backend : 'tensorflow');
    outcome.models.push(...modelFigures(heat, measured, limit));
    for (const { name, reason } of failed) outcome.failed.push({ what: `${nameOf(heat)}, ${name}`, reason });
  }
}

/** Of each backend that is asked for, and of the native one, which is the limit of the machine's cores. */
async function measureLimits(
  { backends, quick }: Options,
  { threads, log }: Surroundings,
  { sgemm, leftOut }: Outcome,
): Promise<void> {
  for (const backend of new Set<Backend>(['tensorflow', ...backends])) {
    log(`sgemm on ${backend} ...`);
    const { program, args } = ours('sgemm.ts', { backend, threads, quick });
    try {
      sgemm[backend] = JSON.parse((await promisify(execFile)(program, args)).stdout.split('\n').at(-2)!);
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      const reason = /TrainyardError: (.*)/.exec(stderr ?? '')?.[1] ?? message;
      const what = backends.includes(backend) ? `all on ${backend}` : 'the limit that shares are of';
      leftOut.push({ what, reason });
    }
  }
}

/** The engines, and on the cores' own backend PyTorch beside them. */
function entrants({ spec }: Heat, { engines }: Options, { torch }: Surroundings): Entrant[] {
  const own = engines.map((engine) => ({ name: engine, command: ours('measure.ts', { ...spec, engine }) }));
  if (!torch || spec.backend !== 'tensorflow') return own;
  const variants = ['eager', 'compile'].map((variant) => ({
    name: `${PEER}${variant}`,
    command: peers(torch, { ...spec, engine: engines[0]! }, variant),
  }));
  return [...own, ...variants];
}

/** A peer may not run on every machine (compiling needs a C++ compiler); what is ours must. */
function report(dropped: Failed[], what: string, { failed, leftOut }: Outcome): void {
  for (const { name, reason } of dropped) {
    const peer = name.startsWith(PEER) || name === TOKENIZERS;
    (peer ? leftOut : failed).push({ what: `${what}, ${name}`, reason });
  }
}

async function measureTokenizer(
  { text, quick }: Options,
  effort: Effort,
  { tokenizers, log }: Surroundings,
  outcome: Outcome,
): Promise<void> {
  const documents = readDocuments(text, quick ? QUICK_TEXT_BYTES : TEXT_BYTES);
  const bytes = documents.reduce((sum, document) => sum + Buffer.byteLength(document), 0);
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-bench-'));
  const documentsFile = path.join(folder, 'documents.json');
  const tokenizerFile = path.join(folder, 'tokenizer.json');
  try {
    await writeFile(documentsFile, JSON.stringify(documents));
    for (const workload of ['tokenizer_train', 'tokenizer_encode'] as const) {
      log(`${workload} on ${(bytes / 1e6).toFixed(1)} MB ...`);
      const spec: TokenizerSpec = { workload, vocabSize: VOCAB_SIZE, documentsFile, tokenizerFile };
      const entries = [{ name: 'trainyard', command: ours('measure.ts', spec) }];
      const oneCore = { RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' };
      if (tokenizers) entries.push({ name: TOKENIZERS, command: peers(tokenizers, spec, '', oneCore) });
      const { measured, failed } = await contest(entries, effort);
      outcome.tokenizer.push(...tokenizerFigures(workload, bytes, measured));
      report(failed, workload, outcome);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
