import { CHECKPOINT_KINDS, type Client, type Prediction } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption, type Session, withSession } from '../context.ts';
import { downloadCheckpoint } from '../download-checkpoint.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { bar, bytes, short } from '../terminal/figures.ts';
import { table } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { interchangeCommands } from './interchange.ts';
import { showCheckpoint } from './show-checkpoint.ts';

export function checkpointCommands(program: Command, context: Context): void {
  const checkpoints = program.command('checkpoints').description('models, at the steps where they were kept');
  paged(checkpoints.command('list'))
    .description('list checkpoints, the newest first')
    .option('--run <id>', 'only those of this run')
    .addOption(new Option('--kind <kind>', 'only this kind').choices(CHECKPOINT_KINDS))
    .option('--tag <tag>', 'only those with this tag')
    .action(
      withSession(
        context,
        async (session, options: PageOptions & Parameters<Client['checkpoints']['list']>[0]) => {
          session.print(
            await session.client.checkpoints.list(options),
            (page) =>
              table(
                ['ID', 'KIND', 'STEP', 'FINAL', 'PARAMETERS', 'SIZE', 'ALIASES', 'TAGS', 'CREATED'],
                page.data.map((one) => [
                  one.id,
                  one.kind,
                  one.step,
                  one.final ? 'yes' : 'no',
                  short(one.parameters),
                  bytes(one.bytes),
                  one.aliases,
                  one.tags,
                  one.created_at,
                ]),
              ) + moreHint(page),
          );
        },
      ),
    );
  checkpoints
    .command('get <checkpoint>')
    .description('all about a checkpoint (id or name@alias)')
    .action(
      withSession(context, async (session, id: string) =>
        session.print(await session.client.checkpoints.get(id), showCheckpoint),
      ),
    );
  checkpoints
    .command('download <checkpoint>')
    .description('its files, each held against its SHA-256')
    .option('--output <folder>', 'where to (a folder named after the checkpoint)')
    .option('--file <name>', 'only this one')
    .action(
      withSession(context, async (session, id: string, options: { output?: string; file?: string }) =>
        session.print(await downloadCheckpoint(session.client, id, options), ({ files }) => files.join('\n')),
      ),
    );
  checkpoints
    .command('tag <checkpoint> [tags...]')
    .description('replace its tags; with none, remove all')
    .action(
      withSession(context, async (session, id: string, tags: string[]) =>
        session.print(
          await session.client.checkpoints.setTags(id, tags),
          (one) => `${one.id}: ${one.tags.join(', ') || 'no tags'}`,
        ),
      ),
    );
  checkpoints
    .command('predict <checkpoint> <text>')
    .description('what comes next; of a model of missing words, what fills each ___')
    .option('--top-k <n>', 'candidates (10)', numberOption('--top-k'))
    .action(
      withSession(context, async (session, id: string, text: string, { topK = 10 }: { topK?: number }) =>
        session.print(await session.client.checkpoints.predict(id, { text, top_k: topK }), showPrediction),
      ),
    );
  interchangeCommands(checkpoints, context);
  aliasCommands(checkpoints, context);
}

function aliasCommands(checkpoints: Command, context: Context): void {
  checkpoints
    .command('alias <name> [checkpoint]')
    .description('point an alias, such as assistant@production, at a checkpoint')
    .option('--remove', 'remove the alias instead')
    .action(withSession(context, setAlias));
  paged(checkpoints.command('aliases'))
    .description('list aliases by name')
    .action(
      withSession(context, async (session, options: PageOptions) => {
        session.print(await session.client.aliases.list(options), ({ data, has_more }) => {
          const rows = data.map((one) => [one.name, one.checkpoint_id, one.updated_at]);
          return (
            table(['ALIAS', 'CHECKPOINT', 'UPDATED'], rows) +
            (has_more ? `\n(more: --after ${data.at(-1)?.name})` : '')
          );
        });
      }),
    );
}

async function setAlias(
  session: Session,
  name: string,
  checkpoint: string | undefined,
  { remove }: { remove?: boolean },
): Promise<void> {
  const { aliases, checkpoints } = session.client;
  if (remove) {
    await aliases.delete(name);
    session.print({ name, checkpoint_id: null }, () => `${name} is gone`);
  } else {
    const { id } = await checkpoints.get(checkpoint ?? name);
    if (checkpoint) await aliases.set(name, id);
    session.print({ name, checkpoint_id: id }, () => `${name} is ${id}`);
  }
}

const showPrediction = ({ positions }: Prediction): string =>
  positions
    .map(({ blank, candidates }) =>
      [
        ...(blank === null ? [] : [`blank ${blank + 1}`]),
        ...candidates.map(
          ({ text, probability }) =>
            `${(probability * 100).toFixed(1).padStart(5)}%  ${bar(probability, 20)}  ${oneLine(JSON.stringify(text))}`,
        ),
      ].join('\n'),
    )
    .join('\n\n');
