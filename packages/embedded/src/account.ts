import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { TrainyardError } from '@trainyard/contracts';

/** The user that the server runs as when this process is root, because PostgreSQL refuses uid 0. */
export interface Account {
  uid: number;
  gid: number;
}

/** undefined: this process is an ordinary user and the server runs as the same one. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const account = await lookUp(name);
    if (account !== undefined) return account;
  }
  throw new TrainyardError(
    'unavailable',
    'PostgreSQL refuses to run as root, and this machine has neither a user "postgres" nor "nobody" to run it as: ' +
      'start as an ordinary user, or set DATABASE_URL to a server of your own',
  );
}

/** Whether `account` may walk into `folder`; a home folder with mode 0700 on the way says no. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const { uid, mode } = await stat(at);
    const bit = uid === account.uid ? 0o100 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

async function lookUp(name: string): Promise<Account | undefined> {
  const id = async (flag: '-u' | '-g') => Number((await promisify(execFile)('id', [flag, name])).stdout);
  try {
    return { uid: await id('-u'), gid: await id('-g') };
  } catch {
    return undefined;
  }
}
