import { setTimeout as sleep } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import pg from 'pg';

/** What waiting cures: not listening yet, its name not known yet, starting up, all connections taken. */
const PASSING = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', '57P03', '53300'];

/**
 * A connection of its own, outside Prisma's pool. For `patience` ms it tries again where waiting can help.
 * @throws TrainyardError unavailable
 */
export async function connect(url: string, patience: number): Promise<pg.Client> {
  const until = Date.now() + patience;
  for (;;) {
    try {
      return await connectOnce(url);
    } catch (cause) {
      const { code, message } = cause as { code?: string; message: string };
      const passing = PASSING.includes(code ?? '') || message.includes('timeout');
      if (!passing || Date.now() > until) {
        const what = `cannot connect to the database (${message || code})`;
        throw new TrainyardError(
          'unavailable',
          `${what}: check that it runs and that DATABASE_URL is right`,
          { cause },
        );
      }
      await sleep(200);
    }
  }
}

async function connectOnce(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {}); // a lost connection also rejects the query under way
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}
