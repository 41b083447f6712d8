import { pingDatabase } from '@trainyard/db';
import type { FastifyInstance } from 'fastify';
import type { Dependencies } from './dependencies.ts';

const TIMEOUT_MS = 3000;

async function isWell(check: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, TIMEOUT_MS, false);
  });
  try {
    return await Promise.race([check().then(() => true), tooLate]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * /livez: the process answers. /readyz: it can serve, which takes the database; without the queue what is submitted
 * waits in the outbox, so that its absence is reported and no more.
 */
export function exposeHealth(app: FastifyInstance, { db, queue }: Dependencies): void {
  let stopping = false;
  app.addHook('preClose', async () => {
    stopping = true;
  });
  app.register(async (open) => {
    const options = { logLevel: 'warn', schema: { hide: true } } as const;
    open.get('/livez', options, async () => ({ status: 'ok' }));
    open.get('/readyz', options, async (_request, reply) => {
      const [database, delivers] = await Promise.all([
        isWell(() => pingDatabase(db)),
        isWell(() => queue.ping()),
      ]);
      const ready = database && !stopping;
      reply.code(ready ? 200 : 503);
      const word = (well: boolean): string => (well ? 'ok' : 'unavailable');
      return {
        status: stopping ? 'stopping' : ready ? 'ready' : 'unavailable',
        checks: { database: word(database), queue: word(delivers) },
      };
    });
  });
}
