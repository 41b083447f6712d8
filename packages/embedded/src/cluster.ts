import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { TrainyardError } from '@trainyard/contracts';
import { type Account, canEnter, serverAccount } from './account.ts';
import { type PostgresBinaries, preparePostgresBinaries } from './binaries.ts';

/** Where a cluster goes whose data folder lies below a folder that the server's user cannot enter. */
const SYSTEM_FOLDER = '/var/lib/trainyard';

/** What `<dataDir>/connection.json` (mode 0600) remembers. `port` is absent until a server was started. */
interface Connection {
  port?: number;
  password: string;
}

/** An initialised cluster. `pgdata` is resolved; `account` is set where the server runs as another user than we. */
export interface Cluster {
  dataDir: string;
  pgdata: string;
  account: Account | undefined;
  binaries: PostgresBinaries;
  connection: Connection;
}

/**
 * Opens the cluster in `dataDir` (`connection.json`, `cluster/`, `postgres.log`), making it where the folder is absent
 * or empty.
 *
 * @throws TrainyardError invalid_path where the folder holds something else or belongs to another user
 */
export async function openCluster(
  dataDir: string,
  durable: boolean,
  log: (line: string) => void,
): Promise<Cluster> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    const connection = await readOrCreateConnection(dataDir);
    const binaries = await preparePostgresBinaries(dataDir);
    const place = path.join(dataDir, 'cluster');
    if (!(await isThere(place))) {
      const workshop = await makeWorkshop(dataDir, place, log);
      await initialise(workshop, place, connection.password, binaries, durable);
    }
    await removeLeftovers(dataDir);
    const pgdata = await realpath(place);
    const { uid, gid } = await stat(pgdata);
    const account = process.getuid?.() === 0 ? { uid, gid } : undefined;
    return { dataDir, pgdata, account, binaries, connection };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'EROFS'].includes(code)) throw error;
    throw new TrainyardError(
      'invalid_path',
      `cannot use ${dataDir} for the database (${(error as Error).message}): ` +
        'it must be a folder that this user owns; choose another, or start as the user who made it',
      { cause: error },
    );
  }
}

export async function rememberPort(cluster: Cluster, port: number): Promise<void> {
  const file = path.join(cluster.dataDir, 'connection.json');
  await rename(await writeBeside(file, { ...cluster.connection, port }), file);
}

/** A private file beside `file` that no other starter writes to, in this process or another one. */
async function writeBeside(file: string, connection: Connection): Promise<string> {
  const written = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(written, JSON.stringify(connection), { mode: 0o600, flag: 'wx' });
  return written;
}

/** Exclusive through link(2): of two who start at once, the second uses the password of the first. */
async function readOrCreateConnection(dataDir: string): Promise<Connection> {
  const file = path.join(dataDir, 'connection.json');
  const names = await readdir(dataDir); // one look: another starter may be making the file and the cluster just now
  if (!names.includes('connection.json')) {
    if (names.some((name) => !name.startsWith('connection.json.'))) {
      throw new TrainyardError(
        'invalid_path',
        `${dataDir} is not empty and holds no Trainyard database: choose another folder, or an empty one`,
      );
    }
    const written = await writeBeside(file, { password: randomBytes(24).toString('base64url') });
    await link(written, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(written);
  }
  return JSON.parse(await readFile(file, 'utf8')) as Connection;
}

/** Where initdb works: in `dataDir`, or elsewhere if the server's user cannot enter that. */
async function makeWorkshop(dataDir: string, place: string, log: (line: string) => void): Promise<string> {
  const account = await serverAccount();
  const elsewhere = account !== undefined && !(await canEnter(account, dataDir));
  if (elsewhere) {
    await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 });
    log(`${dataDir} is private to root: the database's files go to ${SYSTEM_FOLDER}, linked from ${place}`);
  }
  const workshop = await mkdtemp(path.join(elsewhere ? SYSTEM_FOLDER : dataDir, 'initdb-'));
  await chmod(workshop, 0o711);
  return workshop;
}

/** initdb in `workshop`, moved to `place` when complete; of two at once, the second drops its own. */
async function initialise(
  workshop: string,
  place: string,
  password: string,
  binaries: PostgresBinaries,
  durable: boolean,
): Promise<void> {
  const account = await serverAccount();
  const pgdata = path.join(workshop, 'pgdata');
  const passwordFile = path.join(workshop, 'password');
  try {
    await mkdir(pgdata, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    for (const made of account === undefined ? [] : [pgdata, passwordFile]) {
      await chown(made, account!.uid, account!.gid);
    }
    await runInitdb(binaries, pgdata, passwordFile, account, durable);
    await rm(passwordFile);
    if (path.dirname(workshop) === path.dirname(place)) await rename(pgdata, place);
    else await symlink(pgdata, place);
  } catch (error) {
    await removeFolder(workshop);
    if (!(await isThere(place))) throw error;
  }
}

/** Byte-order collation from PostgreSQL itself: the same on every machine, and no locale need be installed. */
async function runInitdb(
  binaries: PostgresBinaries,
  pgdata: string,
  passwordFile: string,
  account: Account | undefined,
  durable: boolean,
): Promise<void> {
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const login = ['--username=trainyard', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const rest = ['--no-instructions', ...(durable ? [] : ['--no-sync'])];
  try {
    await promisify(execFile)(binaries.initdb, [`--pgdata=${pgdata}`, ...login, ...locale, ...rest], {
      ...account,
      cwd: binaries.root,
      env: { LC_ALL: 'C' },
    });
  } catch (cause) {
    throw new TrainyardError(
      'unavailable',
      `initdb failed: ${(cause as { stderr?: string }).stderr ?? cause}`,
      {
        cause,
      },
    );
  }
}

async function removeLeftovers(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir))
    if (name.startsWith('initdb-')) await removeFolder(path.join(dataDir, name));
}

/** As far as it can be: another starter's initdb may still write into it, and the next start removes what that leaves. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY') throw error;
  });
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
