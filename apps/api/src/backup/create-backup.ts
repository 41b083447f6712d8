import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/contracts';
import { type BlobOwner, withSnapshot } from '@trainyard/db';
import {
  attempt,
  type BlobRef,
  type BlobStore,
  collectGarbage,
  copyBlobs,
  openBlobStore,
  type UncopiedBlob,
} from '@trainyard/storage';
import {
  type Backup,
  type BackupTable,
  FORMAT,
  findBackup,
  makeFolder,
  publishBackup,
  tableFile,
} from './backup-folder.ts';

export interface BackupOptions {
  databaseUrl: string;
  blobs: BlobStore;
  folder: string;
  /** Makes the backup although the installation has lost or damaged blobs, and writes down which. */
  despiteDamage: boolean;
  /** Removes the blobs of earlier backups that this one does not refer to. */
  prune: boolean;
  /** How far it is, for people. */
  say: (line: string) => void;
}

/**
 * Rows first, all from one moment, then the blobs that they refer to, then the manifest: until that is there, the
 * folder is the backup that it was before, or none. Blobs that it has are not copied again.
 * @throws TrainyardError integrity naming each missing or damaged blob; invalid_path, storage_full, unavailable
 */
export async function createBackup(options: BackupOptions): Promise<Backup> {
  const { folder, say } = options;
  const before = await findBackup(folder);
  await makeFolder(folder);
  await checkOwn(folder, options.blobs);
  const rows = `rows-${randomUUID()}`;
  const { owners, ...snapshot } = await writeRows(options, rows);
  const total = snapshot.tables.reduce((sum, table) => sum + table.rows, 0);
  say(`${total} rows of ${snapshot.tables.length} tables, as of ${snapshot.takenAt}.`);
  const target = await openBlobStore(folder);
  try {
    const { blobs, missing } = await copyOwned(options, target, owners, before);
    const backup: Backup = { format: FORMAT, ...snapshot, rows, blobs, missing };
    await publishBackup(folder, backup);
    await removeOthers(folder, rows);
    if (options.prune) await prune(target, blobs, say);
    return backup;
  } finally {
    await target.close();
  }
}

/** Backups and nothing else: never the installation's own blobs, which have folders of the same names. */
async function checkOwn(folder: string, blobs: BlobStore): Promise<void> {
  const names = await attempt(`looking into ${folder}`, () => readdir(folder));
  const empty = names.every((name) => name === 'lost+found');
  const store = blobs.path && (await realpath(blobs.location));
  if (store !== (await realpath(folder)) && (empty || names.some((name) => name.startsWith('rows-')))) return;
  throw new TrainyardError(
    'invalid_path',
    `${folder} is not empty and holds no backup: choose an empty folder, or one of earlier backups`,
  );
}

function writeRows({ databaseUrl, folder }: BackupOptions, rows: string) {
  return withSnapshot(databaseUrl, async ({ takenAt, migrations, tables, readRows, blobOwners }) => {
    await makeFolder(join(folder, rows));
    const written: BackupTable[] = [];
    for (const table of tables) {
      const source = readRows(table);
      const file = await writeFile(tableFile(folder, rows, table.name), source);
      written.push({ ...table, rows: source.rowCount, ...file });
    }
    return { takenAt: takenAt.toISOString(), migrations, tables: written, owners: blobOwners };
  });
}

async function writeFile(path: string, source: AsyncIterable<Buffer>): Promise<BlobRef> {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      yield chunk;
    }
  }
  await attempt(`writing ${path}`, () =>
    pipeline(counted, createWriteStream(path, { mode: 0o600, flush: true })),
  );
  return { sha256: hash.digest('hex'), bytes };
}

async function copyOwned(
  { blobs: from, folder, despiteDamage, say }: BackupOptions,
  to: BlobStore,
  owners: readonly BlobOwner[],
  before: Backup | undefined,
) {
  const ownerOf = new Map<string, string>();
  for (const { type, name, blobs } of owners)
    for (const sha256 of blobs) if (!ownerOf.has(sha256)) ownerOf.set(sha256, `${type} ${name}`);
  const sizes = new Map(before?.blobs.map(({ sha256, bytes }) => [sha256, bytes]));
  const blobs: BlobRef[] = [];
  const copied = { count: 0, bytes: 0 };
  const missing = await copyBlobs({
    from,
    to,
    blobs: ownerOf.keys(),
    present: async (sha256) => {
      if (!(await to.has(sha256))) return undefined;
      const bytes = await to.size(sha256);
      return (sizes.get(sha256) ?? bytes) === bytes ? bytes : undefined;
    },
    onBlob: (blob, isNew) => {
      blobs.push(blob);
      if (!isNew) return;
      copied.count += 1;
      copied.bytes += blob.bytes;
      if (copied.count % 1000 === 0) say(`${copied.count} blobs copied (${copied.bytes} bytes) ...`);
    },
  });
  say(`${blobs.length} blobs, ${copied.count} of them new (${copied.bytes} bytes).`);
  const owned = missing.map(({ sha256, problem }) => ({
    sha256,
    problem: `${ownerOf.get(sha256)}: ${problem}`,
  }));
  if (missing.length > 0 && !despiteDamage) throw damageError(owned, folder);
  return { blobs: blobs.sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)), missing: owned };
}

function damageError(missing: readonly UncopiedBlob[], folder: string): TrainyardError {
  return new TrainyardError(
    'integrity',
    `${missing.length} of the installation's blobs cannot be backed up; all others are in ${folder}, which is no ` +
      'new backup yet: put them right and run it again, or have a backup without them with --despite-damage',
    { details: missing.map(({ sha256, problem }) => ({ param: sha256, message: problem })) },
  );
}

/** Rows of earlier and of interrupted backups. */
async function removeOthers(folder: string, rows: string): Promise<void> {
  await attempt(`removing earlier rows from ${folder}`, async () => {
    for (const name of await readdir(folder))
      if (name.startsWith('rows-') && name !== rows) await rm(join(folder, name), { recursive: true });
  });
}

async function prune(
  target: BlobStore,
  blobs: readonly BlobRef[],
  say: (line: string) => void,
): Promise<void> {
  const referenced = new Set(blobs.map(({ sha256 }) => sha256));
  const isReferenced = async (sha256: string) => referenced.has(sha256);
  const { deleted, bytes } = await collectGarbage(target, { isReferenced, olderThan: new Date() });
  say(`${deleted} blobs of earlier backups removed (${bytes} bytes).`);
}
