import { LINEAGE_TYPES, type LineageType } from '@trainyard/contracts';
import { Argument, type Command, Option } from 'commander';
import { type Context, withSession } from '../context.ts';
import { lineageTree } from '../lineage-tree.ts';
import { printable } from '../terminal/terminal.ts';

type Direction = 'up' | 'down' | 'both';

export function lineageCommand(program: Command, context: Context): void {
  program
    .command('lineage')
    .description('what an object came from, and what came from it')
    .addArgument(new Argument('<type>').choices(LINEAGE_TYPES))
    .argument('<id>', 'its id; of a checkpoint also an alias')
    .addOption(new Option('--direction <way>').choices(['up', 'down', 'both']).default('up'))
    .action(
      withSession(
        context,
        async (session, type: LineageType, reference: string, { direction }: { direction: Direction }) => {
          const { client } = session;
          const id =
            type === 'checkpoint' && reference.includes('@')
              ? (await client.checkpoints.get(reference)).id
              : reference;
          session.print(await client.lineage(type, id, direction), (lineage) =>
            printable(
              [
                ...(direction === 'down' ? [] : lineageTree(lineage, 'up')),
                ...(direction === 'both' ? ['', 'What came from it:'] : []),
                ...(direction === 'up' ? [] : lineageTree(lineage, 'down')),
                ...(lineage.knowledge_cutoff ? [`Knowledge cut-off: ${lineage.knowledge_cutoff}`] : []),
              ].join('\n'),
            ),
          );
        },
      ),
    );
}
