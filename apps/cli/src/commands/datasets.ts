import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  type CreateDataset,
  DATASET_KINDS,
  type Dataset,
  type DatasetVersion,
  type Split,
  TrainyardError,
} from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption, type Session, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { fileError } from '../read-input.ts';
import { bytes } from '../terminal/figures.ts';
import { fields, table } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';

interface About {
  heldOut?: number;
  licence?: string;
  collectedUntil?: string;
}

export function datasetCommands(program: Command, context: Context): void {
  const datasets = program.command('datasets').description('data to train and evaluate on, in versions');
  const kind = new Option('--kind <kind>', 'what its records are').choices(DATASET_KINDS);
  datasets
    .command('create <name>')
    .description('create an empty dataset')
    .addOption(kind.makeOptionMandatory())
    .option('--description <text>')
    .option('--licence <licence>', 'an SPDX identifier or a sentence')
    .action(
      withSession(context, async (session, name: string, options: Omit<CreateDataset, 'name'>) => {
        session.print(await session.client.datasets.create({ name, ...options }), showDataset);
      }),
    );
  paged(datasets.command('list'))
    .description('list datasets, the newest first')
    .addOption(new Option('--kind <kind>', 'only this kind').choices(DATASET_KINDS))
    .option('--name <name>', 'only the one called so')
    .action(
      withSession(context, async (session, options: PageOptions & { kind?: string; name?: string }) => {
        session.print(
          await session.client.datasets.list(options),
          (page) =>
            table(
              ['ID', 'NAME', 'KIND', 'LATEST', 'LICENCE'],
              page.data.map((one) => [one.id, one.name, one.kind, one.latest_version, one.licence]),
            ) + moreHint(page),
        );
      }),
    );
  datasets
    .command('show <dataset>')
    .description('a dataset (id or name) and its versions')
    .action(withSession(context, showOne));
  about(datasets.command('upload <dataset> <file>'))
    .description('upload a file as the next version: .txt or .jsonl, and .gz or .zst on top of it')
    .action(withSession(context, upload));
  about(datasets.command('import <dataset> <path>'))
    .description('let the API read a file of its own machine, under a folder that its operator allowed')
    .action(
      withSession(context, async (session, dataset: string, path: string, options: About) => {
        const { id } = await findDataset(session, dataset);
        session.print(await session.client.datasets.import(id, { path, ...query(options) }), showVersion);
      }),
    );
  datasets
    .command('preview <version>')
    .description('the first records of a version (id or name@version)')
    .addOption(new Option('--split <split>').choices(['train', 'held_out']).default('train'))
    .option('--limit <n>', 'records (5)', numberOption('--limit'))
    .action(
      withSession(context, async (session, version: string, options: { split: Split; limit?: number }) => {
        const { id } = await findVersion(session, version);
        session.print(await session.client.datasets.preview(id, options), ({ records }) =>
          records.map((record) => oneLine(JSON.stringify(record))).join('\n'),
        );
      }),
    );
}

const about = (command: Command): Command =>
  command
    .option(
      '--held-out <fraction>',
      'share of records kept for evaluation (0.05)',
      numberOption('--held-out'),
    )
    .option('--licence <licence>', 'an SPDX identifier or a sentence')
    .option('--collected-until <date>', 'YYYY-MM-DD: where its knowledge ends');

const query = ({ heldOut, licence, collectedUntil }: About) => ({
  ...(heldOut === undefined ? {} : { held_out_fraction: heldOut }),
  ...(licence === undefined ? {} : { licence }),
  ...(collectedUntil === undefined ? {} : { collected_until: collectedUntil }),
});

async function showOne(session: Session, reference: string): Promise<void> {
  const dataset = await findDataset(session, reference);
  const versions = await session.client.datasets.versions(dataset.id, { limit: 200 });
  session.print({ ...dataset, versions: versions.data }, (one) =>
    [
      showDataset(one),
      '',
      table(
        ['VERSION', 'ID', 'TRAIN', 'HELD OUT', 'SIZE', 'COLLECTED UNTIL'],
        one.versions.map((version) => [
          version.version,
          version.id,
          version.train.records,
          version.held_out.records,
          bytes(version.train.bytes + version.held_out.bytes),
          version.collected_until,
        ]),
      ),
    ].join('\n'),
  );
}

/** Streams the file as it is, whatever its size. */
async function upload(session: Session, reference: string, file: string, options: About): Promise<void> {
  const form = formOf(file);
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    (error: unknown) => {
      throw fileError(file, error, 'file');
    },
  );
  if (!isFile) throw new TrainyardError('invalid_path', `${file} is not a file.`, { param: 'file' });
  const { id } = await findDataset(session, reference);
  const content = Readable.toWeb(createReadStream(file)) as NonNullable<RequestInit['body']>;
  const version = await session.client.datasets.upload(id, { content, ...form }, query(options));
  session.print(version, showVersion);
}

/** What a file's name says: its type, and how it is compressed. */
function formOf(file: string): { type: string; encoding?: 'gzip' | 'zstd' } {
  const [, ending, packed] = /\.(txt|text|jsonl|ndjson)(?:\.(gz|zst))?$/i.exec(file) ?? [];
  if (ending === undefined)
    throw new TrainyardError(
      'invalid_path',
      `${file} must end in .txt or .jsonl, with .gz or .zst after it if it is compressed.`,
      { param: 'file' },
    );
  const encoding = packed && (packed.toLowerCase() === 'gz' ? 'gzip' : 'zstd');
  return {
    type: /^te?xt$/i.test(ending) ? 'text/plain' : 'application/x-ndjson',
    ...(encoding ? { encoding } : {}),
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function findDataset({ client }: Session, reference: string): Promise<Dataset> {
  if (UUID.test(reference)) return client.datasets.get(reference);
  const [found] = (await client.datasets.list({ name: reference })).data;
  if (found) return found;
  throw new TrainyardError('not_found', `There is no dataset called ${reference}.`, { param: 'dataset' });
}

async function findVersion(session: Session, reference: string): Promise<DatasetVersion> {
  if (UUID.test(reference)) return session.client.datasets.version(reference);
  const [, name = reference, number] = /^(.*)@(\d+)$/.exec(reference) ?? [];
  const dataset = await findDataset(session, name);
  const wanted = number === undefined ? dataset.latest_version : Number(number);
  for (let after: string | undefined; ; ) {
    const page = await session.client.datasets.versions(dataset.id, { limit: 200, ...(after && { after }) });
    const found = page.data.find(({ version }) => version === wanted);
    if (found) return found;
    after = page.data.at(-1)?.id;
    if (!page.has_more)
      throw new TrainyardError('not_found', `${name} has no version ${wanted ?? 'yet'}.`, {
        param: 'version',
      });
  }
}

const showDataset = ({ id, name, kind, latest_version, licence, description }: Dataset): string =>
  fields({ id, name, kind, latest_version, licence, description });

const showVersion = (version: DatasetVersion): string =>
  fields({
    id: version.id,
    name: `${version.dataset_name}@${version.version}`,
    kind: version.kind,
    train: `${version.train.records} records, ${bytes(version.train.bytes)}`,
    held_out: `${version.held_out.records} records, ${bytes(version.held_out.bytes)}`,
    duplicates_dropped: version.duplicates_dropped,
    licence: version.licence,
    collected_until: version.collected_until,
    content_hash: version.content_hash,
  });
