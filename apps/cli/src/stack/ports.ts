import { createServer } from 'node:net';
import { TrainyardError } from '@trainyard/contracts';

/** Listens for a moment. @returns the port (a free one for 0), or undefined if it is taken */
function probePort(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, host, () => {
      const bound = (server.address() as { port: number }).port;
      server.close(() => resolve(bound));
    });
  });
}

/**
 * The port for the API: the one that was asked for, else 8080, else, said plainly, any free one. Throws `conflict` if
 * the one that was asked for is taken.
 */
export async function choosePort(
  wanted: number | undefined,
  host: string,
  say: (line: string) => void,
): Promise<number> {
  const usual = 8080;
  const port = await probePort(wanted ?? usual, host);
  if (port !== undefined) return port;
  if (wanted !== undefined)
    throw new TrainyardError(
      'conflict',
      `Port ${wanted} is taken: stop what listens there, or choose another.`,
      {
        param: '--port',
      },
    );
  const free = await probePort(0, host);
  if (free === undefined)
    throw new TrainyardError('conflict', `No port is free on ${host}.`, { param: 'HOST' });
  say(`Port ${usual} is taken by another program: the API listens on ${free} instead.`);
  return free;
}
