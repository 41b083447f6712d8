import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const IN_USE = '55006'; // object_in_use: a client of the template is just leaving
const EXISTS = ['42P04', '23505']; // duplicate_database; the same when two create it at once

/**
 * Creates database `name` on the server of `url`, as a copy of database `template` if given (nobody may be connected
 * to that one), which costs tens of milliseconds: a migrated database for every test file.
 *
 * @returns `url` with `name` as its database
 */
export async function createDatabase(url: string, name: string, template?: string): Promise<string> {
  const copy = template === undefined ? '' : ` TEMPLATE ${pg.escapeIdentifier(template)}`;
  await onServer(url, async (client) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}${copy}`);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== IN_USE || attempt === 20) throw error;
        await sleep(50);
      }
    }
  });
  return withDatabase(url, name);
}

/** Creates the database that `url` names unless it is there. */
export async function ensureDatabase(url: string): Promise<void> {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  await onServer(url, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount !== 0) return;
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).catch((error: { code?: string }) => {
      if (!EXISTS.includes(error.code ?? '')) throw error;
    });
  });
}

async function onServer(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(url, 'postgres') });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}
