import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TrainyardError } from '@trainyard/contracts';
import { type BlobStore, openBlobStore } from '@trainyard/storage';
import { createBackup } from './backup/create-backup.ts';
import { restoreBackup } from './backup/restore-backup.ts';
import { verifyBackup } from './backup/verify-backup.ts';
import { verifyInstallation } from './backup/verify-installation.ts';
import { type Config, readConfig } from './config.ts';

const USAGE = `Usage: maintenance backup --to FOLDER [--despite-damage] [--prune]
       maintenance restore --from FOLDER
       maintenance verify [--from FOLDER]
Environment: DATABASE_URL and STORAGE_URL, as the API reads them; verify --from needs neither.
Exit status: 0 done; 1 it failed, or something is missing or damaged; 2 usage or environment.`;

/** As far from this file in src as from its bundle in dist. */
const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/** The command line does not say what to do. */
class UsageError extends Error {}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function readCommand(args: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { to: text, from: text, 'despite-damage': flag, prune: flag };
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const [command, ...rest] = positionals;
    if (rest.length > 0) throw new Error(`what is "${rest[0]}"?`);
    return { command, ...values };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The folder that a flag names. */
function folder(flag: string, value: string | undefined): string {
  if (!value) throw new UsageError(`${flag} FOLDER is missing`);
  return resolve(value);
}

async function withStore<T>(work: (config: Config, blobs: BlobStore) => Promise<T>): Promise<T> {
  const config = readConfig(process.env);
  const blobs = await openBlobStore(config.storageUrl);
  return work(config, blobs).finally(() => blobs.close());
}

/** @returns the exit status */
async function run(args: string[]): Promise<number> {
  const { command, to, from, prune, 'despite-damage': despiteDamage } = readCommand(args);
  switch (command) {
    case 'backup':
      return backup(folder('--to', to), { prune, despiteDamage });
    case 'restore':
      return restore(folder('--from', from));
    case 'verify':
      return from === undefined ? verify() : verifyFolder(folder('--from', from));
    default:
      throw new UsageError(command ? `there is no command "${command}"` : 'a command is missing');
  }
}

async function backup(to: string, options: { prune: boolean; despiteDamage: boolean }): Promise<number> {
  const { missing } = await withStore(({ databaseUrl }, blobs) =>
    createBackup({ databaseUrl, blobs, folder: to, say, ...options }),
  );
  for (const { problem } of missing) say(`Not in the backup: ${problem}`);
  say(`The backup in ${to} is complete${missing.length > 0 ? ' but for those blobs' : ''}.`);
  return 0;
}

async function restore(from: string): Promise<number> {
  const { takenAt, missing } = await withStore(({ databaseUrl }, blobs) =>
    restoreBackup({ databaseUrl, migrationsDir: MIGRATIONS, blobs, folder: from, say }),
  );
  for (const { problem } of missing) say(`Not in the backup: ${problem}`);
  say(`Restored as of ${takenAt}. Start the API and the workers: runs go on from their last checkpoints.`);
  return 0;
}

async function verify(): Promise<number> {
  const { counts, problems } = await withStore(({ databaseUrl }, blobs) =>
    verifyInstallation(databaseUrl, blobs),
  );
  const rows = `${counts.checkpoint} checkpoints, ${counts['dataset version']} dataset versions and ${counts.tokenizer} tokenizers`;
  return conclude(`${rows} with ${counts.blobs} blobs (${counts.bytes} bytes)`, problems);
}

async function verifyFolder(from: string): Promise<number> {
  const { backup, problems } = await verifyBackup(from);
  return conclude(
    `The backup of ${backup.takenAt}: ${backup.tables.length} tables and ${backup.blobs.length} blobs`,
    problems,
  );
}

function conclude(what: string, problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  say(problems.length === 0 ? `${what}: all is well.` : `${what}: ${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

function describe(error: unknown): string {
  if (error instanceof UsageError) return `error: ${error.message}\n${USAGE}`;
  if (!(error instanceof TrainyardError)) {
    const { code, message, stack } = error as NodeJS.ErrnoException; // Postgres and the system give a code
    return `error: ${code ? message : stack}`;
  }
  const details = error.code === 'invalid_config' ? [] : error.details;
  return [`error: ${error.message}`, ...details.map(({ message }) => `  ${message}`)].join('\n');
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  const usage =
    error instanceof UsageError || (error instanceof TrainyardError && error.code === 'invalid_config');
  process.exitCode = usage ? 2 : 1;
}
