import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { EventStreams } from './event-streams.ts';

const DRAIN_MS = 5000;

/**
 * Before the server closes: ends event streams, lets requests under way finish, a few seconds at most, and then closes
 * every connection. Of themselves those on which a client has yet to ask anything would hold the server for a minute.
 */
export function drainOnClose(app: FastifyInstance, streams: EventStreams): void {
  let active = 0;
  app.server.on('request', (_request, response) => {
    active++;
    response.once('close', () => active--);
  });
  app.addHook('preClose', async () => {
    const until = performance.now() + DRAIN_MS;
    await streams.close();
    while (active > 0 && performance.now() < until) await sleep(20);
    app.server.closeAllConnections();
  });
}
