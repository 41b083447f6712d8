import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createClient } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption } from '../context.ts';
import { PRESETS, type PresetName } from '../demo/presets.ts';
import type { DemoReport } from '../demo/report.ts';
import { demoTime, missedGates, runDemo } from '../demo/run-demo.ts';
import { Failure } from '../exit-code.ts';
import type { Environment } from '../settings.ts';
import { Stack } from '../stack/stack.ts';
import { stopOnSignal } from '../stack/stop-on-signal.ts';

interface DemoOptions {
  data: string;
  reports: string;
  preset?: PresetName;
  backend?: string;
  keep: boolean;
  gates: boolean;
}

/** Settings of another stack, which the demo's own must neither reach nor be limited by. */
const FOREIGN = ['REDIS_URL', 'STORAGE_URL', 'CACHE_DIR', 'WORKER_STAGES'];

export function demoCommand(program: Command, context: Context): void {
  program
    .command('demo')
    .description('the whole recipe on real text, from raw data to an assistant, with proof')
    .option('--keep', 'leave the stack running afterwards, for chatting', false)
    .addOption(
      new Option('--preset <name>', 'how much to train (chosen by the backend)').choices(
        Object.keys(PRESETS),
      ),
    )
    .option('--backend <name>', 'auto, tensorflow-gpu, tensorflow, wasm or cpu (TRAINYARD_BACKEND)')
    .option('--data <folder>', 'where everything is kept; emptied first', '.trainyard/demo')
    .option('--reports <folder>', 'where the report goes', 'reports')
    .option('--no-gates', 'end with 0 even if a gate is missed')
    .addHelpText('after', '\nWith --json: the report on stdout, all else on stderr.')
    .action(async (_options: unknown, command: Command) => {
      const { json = false, ...options } = command.optsWithGlobals<DemoOptions & { json?: boolean }>();
      const { terminal } = context;
      const shown = json ? { ...terminal, out: terminal.err } : terminal;
      const print = (report: DemoReport) =>
        void (json && terminal.out.write(`${JSON.stringify(report, undefined, 2)}\n`));
      await demo({ ...context, terminal: shown }, options, print);
    });
}

async function demo(
  context: Context,
  options: DemoOptions,
  print: (report: DemoReport) => void,
): Promise<void> {
  const { terminal, env } = context;
  const say = (line: string) => void terminal.out.write(`${line}\n`);
  const adminKey = env.TRAINYARD_ADMIN_KEY || `ty_${randomBytes(32).toString('base64url')}`;
  const stackEnv: Environment = { ...env, TRAINYARD_ADMIN_KEY: adminKey };
  for (const name of FOREIGN) delete stackEnv[name];
  if (options.backend) stackEnv.TRAINYARD_BACKEND = options.backend;
  const stack = new Stack({
    dataDir: options.data,
    port: env.PORT ? numberOption('PORT')(env.PORT) : undefined,
    workers: 1,
    env: stackEnv,
    say,
    prepare: (folder) => rm(folder, { recursive: true, force: true }),
  });
  const interrupted = stopOnSignal(stack, say).then(() => {
    throw new Failure('interrupted');
  });
  interrupted.catch(() => {}); // whoever waits for it learns of it
  const over = new AbortController();
  try {
    say('Starting Postgres, the API and a worker ...');
    await Promise.race([stack.start(), interrupted]);
    const client = createClient({ baseUrl: stack.url, apiKey: adminKey });
    const work = runDemo({
      context,
      client,
      preset: options.preset,
      logs: stack.logs,
      reports: options.reports,
      over: over.signal,
    });
    const report = await Promise.race([work, stack.broken, interrupted]);
    print(report);
    const missed = missedGates(report);
    for (const gate of missed) say(`Gate missed: ${gate}`);
    if (missed.length === 0) say(`Every gate passed, in ${demoTime(report)}.`);
    if (options.keep) await keep(stack, adminKey, say, interrupted);
    if (missed.length > 0 && options.gates) throw new Failure('a gate was missed');
  } finally {
    over.abort();
    await stack.stop();
  }
}

async function keep(
  stack: Stack,
  adminKey: string,
  say: (line: string) => void,
  interrupted: Promise<never>,
): Promise<void> {
  say(
    [
      '',
      `The stack stays up at ${stack.url} (reference: ${stack.url}/docs). In another terminal:`,
      `  export TRAINYARD_URL=${stack.url} TRAINYARD_API_KEY=${adminKey}`,
      "  npm run --silent trainyard -- chat rl@demo 'What city serves as the capital of Norway?'",
      'Ctrl-C stops everything in order.',
    ].join('\n'),
  );
  await Promise.race([interrupted, stack.broken]).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error;
  });
}
