import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/contracts';
import { attempt, syncFolder } from '@trainyard/storage';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

export const FORMAT = 'trainyard-backup/1';
const MANIFEST = 'backup.json';

const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Count = Type.Integer({ minimum: 0 });
const PlainName = Type.String({ pattern: '^\\w[\\w-]*$' });

/**
 * `backup.json` of a backup: the folder is one if it has this file, which is written last. Beside it lie the rows in
 * `<rows>/<table>.copy`, and the blobs as in any folder of blobs.
 */
const BackupSchema = Type.Object({
  format: Type.Literal(FORMAT),
  /** What the database looked like at this time is in the backup. */
  takenAt: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$' }),
  migrations: Type.Array(Type.Object({ name: Type.String(), checksum: Sha256 }), { minItems: 1 }),
  rows: PlainName,
  tables: Type.Array(
    Type.Object({
      name: PlainName,
      columns: Type.Array(Type.String()),
      rows: Count,
      bytes: Count,
      sha256: Sha256,
    }),
  ),
  blobs: Type.Array(Type.Object({ sha256: Sha256, bytes: Count })),
  /** Blobs that the installation itself had lost or damaged, if the backup was to be made all the same. */
  missing: Type.Array(Type.Object({ sha256: Sha256, problem: Type.String() })),
});
export type Backup = Static<typeof BackupSchema>;
export type BackupTable = Backup['tables'][number];

export const tableFile = (folder: string, rows: string, table: string): string =>
  join(folder, rows, `${table}.copy`);

/** Throws `invalid_path` where the folder holds no complete backup, `invalid_data` where its manifest is damaged. */
export async function readBackup(folder: string): Promise<Backup> {
  const backup = await findBackup(folder);
  if (backup) return backup;
  throw new TrainyardError(
    'invalid_path',
    `${folder} holds no complete backup (${MANIFEST} is written last, and is not there): the backup was ` +
      'interrupted, or this is another folder',
  );
}

/** As `readBackup`, but undefined where there is none. */
export async function findBackup(folder: string): Promise<Backup | undefined> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new TrainyardError('invalid_path', `cannot read ${path}: ${error.message}`, { cause: error });
  });
  return text === undefined ? undefined : parseBackup(text, path);
}

function parseBackup(text: string, path: string): Backup {
  try {
    const value: unknown = JSON.parse(text);
    if (Value.Check(BackupSchema, value)) return value;
    const [first] = Value.Errors(BackupSchema, value);
    throw new Error(`${first?.instancePath || 'it'} ${first?.message}`);
  } catch (cause) {
    const { message } = cause as Error;
    throw new TrainyardError('invalid_data', `${path} is no manifest of a backup: ${message}`, { cause });
  }
}

/** From here on the folder is this backup, and no longer the one before. */
export async function publishBackup(folder: string, backup: Backup): Promise<void> {
  await attempt(`writing ${MANIFEST} to ${folder}`, async () => {
    await syncFolder(join(folder, backup.rows));
    await syncFolder(folder);
    const unfinished = join(folder, `${MANIFEST}.unfinished`);
    await writeFile(unfinished, `${JSON.stringify(backup, undefined, 1)}\n`, {
      mode: 0o600,
      flush: true,
    });
    await rename(unfinished, join(folder, MANIFEST));
    await syncFolder(folder);
  });
}

/** Private: rows hold what users wrote, and the hashes of their keys. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: Error) => {
    throw new TrainyardError('invalid_path', `cannot make the folder ${path}: ${cause.message}`, { cause });
  });
}

/** Throws `integrity` naming the first file of rows that is missing or not what was written. */
export async function checkTables(folder: string, { rows, tables }: Backup): Promise<void> {
  for (const table of tables) {
    const path = tableFile(folder, rows, table.name);
    const hash = createHash('sha256');
    const damaged = (how: string, cause?: unknown): TrainyardError =>
      new TrainyardError('integrity', `${path} is damaged: ${how}; nothing was restored from it`, { cause });
    let bytes = 0;
    const count = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.byteLength;
      }
    };
    await pipeline(createReadStream(path), count).catch((cause: Error) => {
      throw damaged(cause.message, cause);
    });
    if (bytes !== table.bytes) throw damaged(`it has ${bytes} bytes instead of ${table.bytes}`);
    const found = hash.digest('hex');
    if (found !== table.sha256) throw damaged(`its SHA-256 is ${found} instead of ${table.sha256}`);
  }
}
