import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

type Direction = 'to_server' | 'to_client';

/** A network path from a client to a server on this machine, which can be made to fail. */
export interface FaultProxy {
  /** Where the client connects, on 127.0.0.1. */
  port: number;
  /** `url` with this proxy in place of its host and port. */
  through(url: string): string;
  /** Resets every connection, and each new one at once. */
  cut(): void;
  /**
   * Forwards nothing in `directions`, as if packets were lost: connections stay, new ones are accepted, nobody is told.
   * What was sent meanwhile arrives after `restore`, as TCP would send it again.
   */
  blackHole(...directions: Direction[]): void;
  /** Forwards each chunk so many ms later. */
  delay(ms: number): void;
  restore(): void;
  /** Connections that are open. */
  connections(): number;
  close(): Promise<void>;
}

/** A gate that is open until it is shut; whoever meanwhile waits at it goes on when it is opened. */
class Gate {
  #opened = Promise.resolve();
  open = () => {};

  shut(): void {
    this.open();
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  passed(): Promise<void> {
    return this.#opened;
  }
}

/** Listens on a free loopback port and forwards to `port` on 127.0.0.1. */
export async function startFaultProxy(port: number): Promise<FaultProxy> {
  const gates = { to_server: new Gate(), to_client: new Gate() };
  const sockets = new Set<Socket>();
  let isCut = false;
  let delayed = 0; // ms

  const forward = (from: Socket, to: Socket, direction: Direction): Promise<void> => {
    const wait = async () => {
      await gates[direction].passed();
      if (delayed > 0) await sleep(delayed);
    };
    const slow = new Transform({
      transform: (chunk, _, done) => void wait().then(() => done(null, chunk)),
      flush: (done) => void wait().then(() => done()),
    });
    return pipeline(from, slow, to);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (isCut) return void client.on('error', () => {}).resetAndDestroy();
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.once('error', () => other.resetAndDestroy()); // one end is gone: so is the other
    }
    forward(client, upstream, 'to_server').catch(() => {});
    forward(upstream, client, 'to_client').catch(() => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as { port: number }).port;

  const openGates = () => {
    for (const gate of Object.values(gates)) gate.open();
  };
  const reset = () => {
    openGates();
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: own,
    through(url) {
      const changed = new URL(url);
      changed.host = `127.0.0.1:${own}`;
      return changed.href;
    },
    cut() {
      isCut = true;
      reset();
    },
    blackHole(...directions) {
      for (const direction of directions) gates[direction].shut();
    },
    delay(ms) {
      delayed = ms;
    },
    restore() {
      isCut = false;
      delayed = 0;
      openGates();
    },
    connections: () => sockets.size / 2,
    async close() {
      server.close();
      reset();
      await once(server, 'close');
    },
  };
}
