import { createReadStream } from 'node:fs';
import { TrainyardError } from '@trainyard/contracts';
import { checkRestoreTarget, restoreRows } from '@trainyard/db';
import { type BlobStore, copyBlobs, openBlobStore } from '@trainyard/storage';
import { type Backup, checkTables, readBackup, tableFile } from './backup-folder.ts';

export interface RestoreOptions {
  databaseUrl: string;
  migrationsDir: string;
  blobs: BlobStore;
  folder: string;
  /** How far it is, for people. */
  say: (line: string) => void;
}

/**
 * Blobs first, all verified, then the rows in one transaction: a row never lacks its files, and a failure leaves the
 * database without rows. Blobs that the store has already are read, and replaced where they are damaged.
 * @throws TrainyardError invalid_path (no backup), invalid_state (the database is not empty, or another version),
 *   integrity (the backup is damaged), invalid_data, storage_full, unavailable
 */
export async function restoreBackup(options: RestoreOptions): Promise<Backup> {
  const { databaseUrl, migrationsDir, folder, say } = options;
  const backup = await readBackup(folder);
  await checkRestoreTarget(databaseUrl, migrationsDir, backup.migrations);
  await checkTables(folder, backup);
  say(`The backup of ${backup.takenAt}: its rows are whole; copying ${backup.blobs.length} blobs.`);
  await restoreBlobs(options, backup);
  await restoreRows(databaseUrl, migrationsDir, {
    migrations: backup.migrations,
    tables: backup.tables,
    openRows: ({ name }) => createReadStream(tableFile(folder, backup.rows, name)),
  });
  return backup;
}

async function restoreBlobs({ blobs: to, folder, say }: RestoreOptions, backup: Backup): Promise<void> {
  const from = await openBlobStore(folder);
  let copied = 0;
  try {
    const damaged = await copyBlobs({
      from,
      to,
      blobs: backup.blobs.map(({ sha256 }) => sha256),
      onBlob: () => {
        copied += 1;
        if (copied % 1000 === 0) say(`${copied} of ${backup.blobs.length} blobs ...`);
      },
    });
    if (damaged.length === 0) return;
    throw new TrainyardError(
      'integrity',
      `${damaged.length} blobs of the backup are missing or damaged; the database was left empty`,
      { details: damaged.map(({ sha256, problem }) => ({ param: sha256, message: problem })) },
    );
  } finally {
    await from.close();
  }
}
