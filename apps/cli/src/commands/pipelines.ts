import type { Client, Pipeline } from '@trainyard/contracts';
import type { Command } from 'commander';
import { type Context, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { readJson } from '../read-input.ts';
import { table } from '../terminal/table.ts';
import { stageLine, watchPipeline } from '../watch/watch-pipeline.ts';

type PipelineRequest = Parameters<Client['pipelines']['create']>[0];

export function pipelineCommands(program: Command, context: Context): void {
  const pipelines = program.command('pipelines').description('runs that follow one another');
  pipelines
    .command('submit <file>')
    .description('queue a pipeline: JSON {name, stages} from a file, or - for standard input')
    .option('--watch', 'follow it live')
    .option('--idempotency-key <key>', 'a repeated request with the same key makes one pipeline')
    .action(
      withSession(
        context,
        async (session, file: string, options: { watch?: boolean; idempotencyKey?: string }) => {
          const request = (await readJson(file, session.stdin, 'file')) as unknown as PipelineRequest;
          const { idempotencyKey } = options;
          const pipeline = await session.client.pipelines.create(
            request,
            idempotencyKey ? { idempotencyKey } : {},
          );
          if (options.watch) return watchPipeline(session, pipeline.id);
          session.print(
            pipeline,
            ({ id, runs }) =>
              `pipeline ${id} of ${runs.length} stages; follow it: trainyard pipelines watch ${id}`,
          );
        },
      ),
    );
  paged(pipelines.command('list'))
    .description('list pipelines, the newest first')
    .action(
      withSession(context, async (session, options: PageOptions) => {
        session.print(
          await session.client.pipelines.list(options),
          (page) =>
            table(
              ['ID', 'NAME', 'STATE', 'STAGES', 'CREATED'],
              page.data.map((one) => [one.id, one.name, one.state, one.runs.length, one.created_at]),
            ) + moreHint(page),
        );
      }),
    );
  pipelines
    .command('get <pipeline>')
    .description('a pipeline and its stages')
    .action(
      withSession(context, async (session, id: string) =>
        session.print(await session.client.pipelines.get(id), showPipeline),
      ),
    );
  pipelines
    .command('watch <pipeline>')
    .description('follow all stages live until the end; the exit status says how')
    .action(withSession(context, watchPipeline));
  pipelines
    .command('cancel <pipeline>')
    .description('cancel every run of it that has not ended')
    .action(
      withSession(context, async (session, id: string) =>
        session.print(await session.client.pipelines.cancel(id), showPipeline),
      ),
    );
}

const showPipeline = ({ id, name, state, runs }: Pipeline): string =>
  [`${name ?? id}: ${state}`, ...runs.map((run) => `${stageLine(run)}  ${run.id}`)].join('\n');
