/** npm run bench: measures training, evaluation, generation and the tokenizer on this machine. See docs/benchmarks.md. */
import { accessSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, totalmem } from 'node:os';
import path from 'node:path';
import { HELP, type Options, parseOptions, UsageError } from './options.ts';
import { findPython, type Python } from './python.ts';
import { type Report, reportText } from './report.ts';
import { run } from './run.ts';

const EXIT = { failed: 1, usage: 2 } as const;

function pythonPlaces() {
  const { BENCH_PYTHON, TRAINYARD_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = TRAINYARD_CACHE || path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'trainyard');
  return { ...(BENCH_PYTHON && { chosen: BENCH_PYTHON }), cache };
}

/** @throws UsageError now rather than after the measuring. */
function checkFiles({ json, text }: Options): void {
  const check = (option: string, file: string, access: () => void): void => {
    try {
      access();
    } catch (error) {
      throw new UsageError(
        `${option} names "${file}": ${(error as NodeJS.ErrnoException).code}; name a file that can be used.`,
      );
    }
  };
  for (const file of text) check('--text', file, () => accessSync(file));
  if (json !== undefined) check('--json', json, () => writeFileSync(json, '', { flag: 'a' }));
}

async function bench(options: Options): Promise<Report> {
  const created = new Date().toISOString();
  const threads = availableParallelism();
  const find = async (module: string): Promise<Python | undefined> =>
    options.peer ? findPython(module, pythonPlaces()) : undefined;
  const peers = { torch: await find('torch'), tokenizers: await find('tokenizers') };
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  for (const [module, found] of Object.entries(peers))
    if (options.peer && !found) log(`No Python here has ${module}: nothing is measured beside ours.`);
  const { sgemm, models, tokenizer, leftOut, failed } = await run(options, { threads, ...peers, log });
  const { json, ...asked } = options;
  return {
    created,
    machine: {
      platform: process.platform,
      architecture: process.arch,
      cores: threads,
      memory_bytes: totalmem(),
      versions: {
        node: process.versions.node,
        ...(peers.torch && { torch: peers.torch.version }),
        ...(peers.tokenizers && { tokenizers: peers.tokenizers.version }),
      },
    },
    options: { ...asked },
    sgemm,
    models,
    tokenizer,
    left_out: leftOut,
    failed,
  };
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(HELP);
  else {
    checkFiles(options);
    const report = await bench(options);
    console.log(reportText(report));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    const nothing = report.models.length + report.tokenizer.length === 0;
    if (nothing || report.failed.length > 0) process.exitCode = EXIT.failed;
  }
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
}
