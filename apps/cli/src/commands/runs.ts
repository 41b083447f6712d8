import { type Client, RUN_STAGES, RUN_STATES, type Run } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { figure } from '../terminal/figures.ts';
import { fields, table } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { watchRun } from '../watch/watch-run.ts';
import { submitCommand } from './submit-run.ts';

const STEERING: Record<'cancel' | 'pause' | 'resume' | 'retry', string> = {
  cancel: 'stop a run for good',
  pause: 'let a run write a checkpoint and wait',
  resume: 'let a paused run go on',
  retry: 'queue a failed or cancelled run again, from its last checkpoint',
};

export function runCommands(program: Command, context: Context): void {
  const runs = program.command('runs').description('training and evaluation');
  submitCommand(runs, context);
  paged(runs.command('list'))
    .description('list runs, the newest first')
    .addOption(new Option('--stage <stage>', 'only this stage').choices(RUN_STAGES))
    .addOption(new Option('--state <state>', 'only this state').choices(RUN_STATES))
    .option('--pipeline <id>', 'only those of this pipeline')
    .action(
      withSession(context, async (session, options: PageOptions & Parameters<Client['runs']['list']>[0]) => {
        session.print(
          await session.client.runs.list(options),
          (page) =>
            table(
              ['ID', 'NAME', 'STAGE', 'STATE', 'STEP', 'BACKEND', 'CREATED'],
              page.data.map((run) => [
                run.id,
                run.name,
                run.stage,
                run.state,
                run.progress && `${run.progress.step}/${run.progress.total_steps}`,
                run.backend,
                run.created_at,
              ]),
            ) + moreHint(page),
        );
      }),
    );
  runs
    .command('get <run>')
    .description('all about a run')
    .action(
      withSession(context, async (session, id: string) =>
        session.print(await session.client.runs.get(id), showRun),
      ),
    );
  runs
    .command('watch <run>')
    .description('follow a run live until it ends; the exit status says how')
    .action(withSession(context, watchRun));
  for (const verb of ['cancel', 'pause', 'resume', 'retry'] as const)
    runs
      .command(`${verb} <run>`)
      .description(STEERING[verb])
      .action(
        withSession(context, async (session, id: string) =>
          session.print(await session.client.runs[verb](id), ({ state }) => `${id} is ${state}`),
        ),
      );
  historyCommands(runs, context);
}

function historyCommands(runs: Command, context: Context): void {
  runs
    .command('metrics <run>')
    .description('the metrics of a run by step')
    .option('--max-points <n>', 'down-sample to so many (20, with --json all)', numberOption('--max-points'))
    .option('--epoch <n>', 'of one attempt alone', numberOption('--epoch'))
    .action(
      withSession(context, async (session, id: string, options: { maxPoints?: number; epoch?: number }) => {
        const points = options.maxPoints ?? (session.json ? undefined : 20);
        const query = {
          ...(points === undefined ? {} : { max_points: points }),
          ...(options.epoch === undefined ? {} : { epoch: options.epoch }),
        };
        session.print(await session.client.runs.metrics(id, query), ({ data }) => {
          const names = [...new Set(data.flatMap(({ values }) => Object.keys(values)))];
          return table(
            ['STEP', ...names.map((name) => name.toUpperCase())],
            data.map(({ step, values }) => [
              step,
              ...names.map((name) => (values[name] === undefined ? null : figure(values[name]))),
            ]),
          );
        });
      }),
    );
  runs
    .command('events <run>')
    .description('what happened to a run')
    .option('--after <n>', 'only after this event', numberOption('--after'))
    .option('--limit <n>', 'events (200)', numberOption('--limit'))
    .action(
      withSession(context, async (session, id: string, options: { after?: number; limit?: number }) => {
        session.print(
          await session.client.runs.events(id, options),
          ({ data, has_more }) =>
            table(
              ['ID', 'AT', 'ATTEMPT', 'TYPE', 'DATA'],
              data.map((one) => [
                one.id,
                one.at,
                one.epoch,
                one.type,
                oneLine(JSON.stringify(one.data)).slice(0, 160),
              ]),
            ) + (has_more ? `\n(more: --after ${data.at(-1)?.id})` : ''),
        );
      }),
    );
}

const showRun = ({ config, inputs, result, error, progress, ...run }: Run): string =>
  [
    fields({ ...run, progress: progress && `${progress.step}/${progress.total_steps}` }),
    ...Object.entries({ error, inputs, config, result })
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name}:\n${indent(JSON.stringify(value, undefined, 2))}`),
  ].join('\n');

const indent = (text: string): string => text.replace(/^/gm, '  ');
