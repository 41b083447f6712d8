import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/contracts';
import { startPostgres } from '@trainyard/embedded';
import { Failure } from '../exit-code.ts';
import type { Environment } from '../settings.ts';
import { takeDataFolder } from './data-folder.ts';
import { KeptProcess } from './kept-process.ts';
import { choosePort } from './ports.ts';
import { programArguments, ROOT } from './programs.ts';

const READY_MS = 120_000;
/** Longer than a worker's own SHUTDOWN_SECONDS, and than the API's way down. */
const WORKER_STOP_MS = 40_000;
const API_STOP_MS = 15_000;

const DATA_FOLDERS = ['postgres', 'blobs', 'cache', 'uploads'];

/** Where a data folder's datasets and checkpoints lie, unless the environment says otherwise. */
export const storageUrl = (dataDir: string, env: Environment): string =>
  env.STORAGE_URL || join(dataDir, 'blobs');

const ADMIN_KEY_LINE = /^First admin API key, shown this once: (\S+)$/;

export interface StackOptions {
  dataDir: string;
  /** Of the API; undefined: 8080, or any free one if that is taken. */
  port: number | undefined;
  workers: number;
  /** Handed on to the processes. */
  env: Environment;
  /** What a person should know. */
  say: (line: string) => void;
  /** Called with each folder below the data folder that may hold an earlier stack's data, before anything starts. */
  prepare?: (folder: string) => Promise<void>;
}

/** Postgres, the API and workers on this machine, with all they keep in one folder. */
export class Stack {
  url = '';
  /** The first admin key, if this start made one. */
  adminKey: string | undefined;
  /** Rejects with `internal` if a process dies again and again. */
  readonly broken: Promise<never>;
  readonly logs: string;
  readonly #options: StackOptions;
  readonly #dataDir: string;
  #giveUp: (reason: TrainyardError) => void = () => {};
  #stops: (() => Promise<unknown>)[] = [];
  #processes: KeptProcess[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#dataDir = resolve(options.dataDir);
    this.logs = join(this.#dataDir, 'logs');
    this.broken = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
    this.broken.catch(() => {}); // whoever waits for it learns of it
  }

  /**
   * Resolves when the API answers; the workers load their backend meanwhile. Throws `conflict` (folder or port in use),
   * `invalid_path` (the folder), `internal` (a process does not start), `Failure` (stopped meanwhile); nothing is left
   * running then.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      const asked = this.#stopping !== undefined;
      await this.stop();
      throw asked ? new Failure('stopped while starting') : error;
    }
  }

  /** Workers hand their runs back, then the API drains, then Postgres stops. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const step of this.#stops.toReversed()) await step();
    })();
    return this.#stopping;
  }

  /** Ends the API and the workers at once; their runs are taken up again at the next start. */
  kill(): void {
    for (const kept of this.#processes) kept.kill();
  }

  async #start(): Promise<void> {
    const { env, say, workers } = this.#options;
    const host = env.HOST || '127.0.0.1';
    const port = await choosePort(this.#options.port, host, say);
    this.url = `http://${['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host}:${port}`;
    this.#stops.push(await takeDataFolder(this.#dataDir, this.url));
    for (const folder of DATA_FOLDERS) await this.#options.prepare?.(join(this.#dataDir, folder));
    const postgres = await startPostgres({ dataDir: join(this.#dataDir, 'postgres'), log: say });
    this.#stops.push(postgres.stop);
    const shared = {
      ...env,
      DATABASE_URL: postgres.url,
      STORAGE_URL: storageUrl(this.#dataDir, env),
    };
    const uploads = join(this.#dataDir, 'uploads');
    const api = { ...shared, HOST: host, PORT: String(port), DATA_DIR: uploads, MIGRATE_ON_START: 'true' };
    this.#keep([this.#process('api', 'api', api)], API_STOP_MS);
    await Promise.race([this.#untilReady(), this.broken]);
    const cache = { CACHE_DIR: env.CACHE_DIR || join(this.#dataDir, 'cache') };
    const names = Array.from({ length: workers }, (_, i) => `worker-${i + 1}`);
    this.#keep(
      names.map((name) => this.#process(name, 'worker', { ...shared, ...cache, WORKER_NAME: name })),
      WORKER_STOP_MS,
    );
  }

  #keep(processes: KeptProcess[], patience: number): void {
    if (this.#stopping) throw new TrainyardError('invalid_state', 'Stopped while starting.');
    this.#stops.push(() => Promise.all(processes.map((kept) => kept.stop(patience))));
    this.#processes.push(...processes);
    for (const kept of processes) kept.start();
  }

  #process(name: string, app: 'api' | 'worker', env: Environment): KeptProcess {
    const kept: KeptProcess = new KeptProcess({
      name,
      args: programArguments(app),
      cwd: ROOT,
      env,
      logFile: join(this.logs, `${name}.log`),
      say: this.#options.say,
      onLine: (line) => {
        const [, key] = ADMIN_KEY_LINE.exec(line) ?? [];
        if (key) this.adminKey = key;
        return key !== undefined;
      },
      onHopeless: (reason) =>
        this.#giveUp(new TrainyardError('internal', [`${reason}.`, ...kept.lastWords()].join('\n  '))),
    });
    return kept;
  }

  async #untilReady(): Promise<void> {
    const until = performance.now() + READY_MS;
    while (performance.now() < until && !this.#stopping) {
      const ready = await fetch(new URL('/readyz', this.url)).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) return;
      await sleep(100);
    }
    throw new TrainyardError(
      'internal',
      `The API was not ready within ${READY_MS / 1000} s; see the log in ${this.logs}.`,
    );
  }
}
