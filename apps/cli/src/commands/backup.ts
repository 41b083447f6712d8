import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { runMaintenance } from '../stack/run-maintenance.ts';

const WHICH =
  '\nOf the data folder (its Postgres is started if need be); or, where DATABASE_URL is set and --data is not, of\n' +
  'DATABASE_URL and STORAGE_URL.';

interface Options {
  data?: string;
  to?: string;
  from?: string;
  prune?: boolean;
  despiteDamage?: boolean;
}

/** `backup`, `restore` and `verify`: they find the installation, and the API's program does the work. */
export function backupCommands(program: Command, { env, terminal }: Context): void {
  const say = (line: string) => void terminal.out.write(`${line}\n`);
  const action = (work: 'backup' | 'restore' | 'verify') => async (options: Options) => {
    const { data, to, from, prune, despiteDamage } = options;
    const args = [
      ...(to ? ['--to', resolve(to)] : []),
      ...(from ? ['--from', resolve(from)] : []),
      ...(prune ? ['--prune'] : []),
      ...(despiteDamage ? ['--despite-damage'] : []),
    ];
    await runMaintenance({ work, args, dataDir: data, env, say });
  };
  const add = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('--data <folder>', 'the data folder of `up` (.trainyard)')
      .addHelpText('after', WHICH);
  add('backup', 'back up the database and all blobs that it refers to, also while runs go on')
    .requiredOption('--to <folder>', 'empty, or with earlier backups: then only new blobs are copied')
    .option('--prune', 'remove blobs that only earlier backups referred to')
    .option('--despite-damage', 'leave out what the installation itself has lost, and say so')
    .action(action('backup'));
  add('restore', 'restore a backup into an empty installation; nothing may run on it')
    .requiredOption('--from <folder>', 'of the backup')
    .action(action('restore'));
  add('verify', 'read all datasets, tokenizers and checkpoints, and name what is missing or damaged')
    .option('--from <folder>', 'a backup to verify instead')
    .action(action('verify'));
}
