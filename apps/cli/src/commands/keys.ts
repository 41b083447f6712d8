import { SCOPES, type Scope } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, collect, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { fields, table } from '../terminal/table.ts';

export function keyCommands(program: Command, context: Context): void {
  const keys = program.command('keys').description('API keys (admin)');
  paged(keys.command('list'))
    .description('list keys, without the keys themselves')
    .action(
      withSession(context, async (session, options: PageOptions) => {
        session.print(
          await session.client.apiKeys.list(options),
          (page) =>
            table(
              ['ID', 'NAME', 'PREFIX', 'SCOPES', 'LAST USED', 'REVOKED'],
              page.data.map((one) => [
                one.id,
                one.name,
                one.prefix,
                one.scopes,
                one.last_used_at,
                one.revoked_at,
              ]),
            ) + moreHint(page),
        );
      }),
    );
  keys
    .command('create <name>')
    .description('make a key, which is shown this once')
    .addOption(
      new Option('--scope <scope>', `what it may do, several times: ${SCOPES.join(', ')}`)
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .action(
      withSession(context, async (session, name: string, { scope }: { scope: Scope[] }) => {
        session.print(await session.client.apiKeys.create({ name, scopes: scope }), ({ key, id, scopes }) =>
          fields({ key, id, scopes }),
        );
      }),
    );
  keys
    .command('revoke <id>')
    .description('let a key count no more')
    .action(
      withSession(context, async (session, id: string) => {
        session.print(await session.client.apiKeys.revoke(id), (one) => fields({ ...one }));
      }),
    );
}
