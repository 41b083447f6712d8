import type { Tokenizer } from '@trainyard/contracts';
import type { Command } from 'commander';
import { type Context, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { fields, table } from '../terminal/table.ts';

export function tokenizerCommands(program: Command, context: Context): void {
  const tokenizers = program
    .command('tokenizers')
    .description('vocabularies that tokenizer runs have learnt');
  paged(tokenizers.command('list'))
    .description('list tokenizers, the newest first')
    .action(
      withSession(context, async (session, options: PageOptions) => {
        session.print(
          await session.client.tokenizers.list(options),
          (page) =>
            table(
              ['ID', 'ENTRIES', 'BYTES/TOKEN', 'RUN', 'CREATED'],
              page.data.map((one) => [
                one.id,
                one.vocab_size,
                one.bytes_per_token?.toFixed(2) ?? 'unknown',
                one.run_id,
                one.created_at,
              ]),
            ) + moreHint(page),
        );
      }),
    );
  tokenizers
    .command('show <tokenizer>')
    .description('one tokenizer')
    .action(
      withSession(context, async (session, id: string) => {
        session.print(await session.client.tokenizers.get(id), (one: Tokenizer) => fields({ ...one }));
      }),
    );
}
