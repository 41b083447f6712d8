import type { Command } from 'commander';
import { type Context, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { bytes } from '../terminal/figures.ts';
import { fields, table } from '../terminal/table.ts';

export function workerCommands(program: Command, context: Context): void {
  const workers = program.command('workers').description('processes that train');
  paged(workers.command('list'))
    .description('list workers, the newest first')
    .option('--live', 'only those with a heartbeat')
    .action(
      withSession(context, async (session, options: PageOptions & { live?: boolean }) => {
        session.print(
          await session.client.workers.list(options),
          (page) =>
            table(
              ['ID', 'NAME', 'STATE', 'BACKEND', 'DEVICE', 'MEMORY', 'HOST', 'PID', 'RUN', 'HEARTBEAT'],
              page.data.map((one) => [
                one.id,
                one.name,
                one.state,
                one.backend,
                one.device,
                bytes(one.memory_bytes),
                one.hostname,
                one.pid,
                one.current_run_id,
                one.heartbeat_at,
              ]),
            ) + moreHint(page),
        );
      }),
    );
  workers
    .command('show <worker>')
    .description('one worker')
    .action(
      withSession(context, async (session, id: string) => {
        session.print(await session.client.workers.get(id), (one) => fields({ ...one }));
      }),
    );
}
