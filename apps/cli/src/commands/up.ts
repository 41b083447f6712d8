import type { Command } from 'commander';
import { type Context, numberOption } from '../context.ts';
import { Stack } from '../stack/stack.ts';
import { stopOnSignal } from '../stack/stop-on-signal.ts';

interface UpOptions {
  data: string;
  port?: number;
  workers: number;
}

export function upCommand(program: Command, context: Context): void {
  program
    .command('up')
    .description('run Postgres, the API and workers here, in the foreground')
    .option('--data <folder>', 'where everything is kept', '.trainyard')
    .option('--port <n>', 'of the API (PORT, else 8080, else any free one)', numberOption('--port'))
    .option('--workers <n>', 'how many train at a time', numberOption('--workers'), 1)
    .addHelpText('after', '\nWith --json: {url, admin_key, logs, pid} on stdout once the API answers.')
    .action(async (_options: unknown, command: Command) => {
      const { json = false, ...options } = command.optsWithGlobals<UpOptions & { json?: boolean }>();
      await up(context, options, json);
    });
}

async function up({ env, terminal }: Context, options: UpOptions, json: boolean): Promise<void> {
  const output = json ? terminal.err : terminal.out;
  const say = (line: string) => void output.write(`${line}\n`);
  const { data: dataDir, workers } = options;
  const port = options.port ?? (env.PORT ? numberOption('PORT')(env.PORT) : undefined);
  if (env.DATABASE_URL) say('DATABASE_URL is left aside: up brings a Postgres of its own.');
  const stack = new Stack({ dataDir, port, workers, env, say });
  const stopped = stopOnSignal(stack, say);
  await stack.start();
  const { url, adminKey, logs } = stack;
  if (json)
    terminal.out.write(`${JSON.stringify({ url, admin_key: adminKey ?? null, logs, pid: process.pid })}\n`);
  const key = adminKey ?? env.TRAINYARD_ADMIN_KEY;
  say(
    [
      `Trainyard is up at ${url} (reference: ${url}/docs), with ${workers} worker${workers === 1 ? '' : 's'}.`,
      `Data: ${dataDir}. Logs: ${logs}.`,
      ...(adminKey ? ['', `First admin API key, shown this once: ${adminKey}`] : []),
      ...(key
        ? []
        : ['The admin key was shown at the first start; set TRAINYARD_ADMIN_KEY to have another.']),
      '',
      'In another terminal:',
      `  export TRAINYARD_URL=${url} TRAINYARD_API_KEY=${adminKey ?? '<the admin key>'}`,
      '  npm run --silent trainyard -- workers list',
      '',
      'Ctrl-C stops everything in order.',
    ].join('\n'),
  );
  await Promise.race([stopped, stack.broken]).catch(async (error: unknown) => {
    await stack.stop();
    throw error;
  });
}
