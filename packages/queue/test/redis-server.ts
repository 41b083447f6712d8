import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export interface RedisServer {
  url: string;
  /** Takes the server away, with all it holds. */
  kill(): Promise<void>;
  /** Starts it again on the same port: empty, or as it was where it is persistent. */
  start(): Promise<void>;
  /** Removes what a persistent one that is away has on disk. */
  forget(): Promise<void>;
  /** Deletes all that it holds. */
  flush(): Promise<void>;
  countKeys(): Promise<number>;
  stop(): Promise<void>;
}

/** A `redis-server` from PATH on a free loopback port; a persistent one notes every write on disk. */
export async function startRedisServer({ persistent = false } = {}): Promise<RedisServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const kept = persistent ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...kept];
    server = spawn('redis-server', [...settings, '--dir', folder], { stdio: 'ignore' });
    await once(server, 'spawn');
    await ask(async (client) => {
      while ((await client.ping().catch(() => 'LOADING')) !== 'PONG') await sleep(20);
    });
  }

  async function ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => {});
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }

  await start();
  return {
    url,
    start,
    kill,
    async forget() {
      for (const name of await readdir(folder)) await rm(path.join(folder, name), { recursive: true });
    },
    flush: async () => void (await ask((client) => client.flushall())),
    countKeys: () => ask((client) => client.dbsize()),
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port that nobody listens on, and that no client is given for a connection: servers are started on it again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const listening = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!listening) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}
