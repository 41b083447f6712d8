import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogFile } from './log-file.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A process that lived so long was well: what happens next is a new trouble. */
const STABLE_MS = 20_000;
/** Deaths in a row, none after a stable life, before it counts as hopeless. */
const HOPELESS = 5;
const LAST_WORDS = 8;

export interface KeptProcessOptions {
  name: string;
  /** Of Node. */
  args: string[];
  cwd: string;
  env: Record<string, string | undefined>;
  logFile: string;
  /** What a person should know. */
  say: (line: string) => void;
  /** Every line that it writes; one that returns true is not logged. */
  onLine?: (line: string) => boolean;
  /** It died too often: it is not started again. */
  onHopeless: (reason: string) => void;
}

/** A process that is started again, after a pause that grows, whenever it dies before `stop`. */
export class KeptProcess {
  readonly #options: KeptProcessOptions;
  readonly #log: LogFile;
  #child: ChildProcess | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  constructor(options: KeptProcessOptions) {
    this.#options = options;
    this.#log = new LogFile(options.logFile);
  }

  start(): void {
    this.#running = this.#keep();
  }

  /** The last lines of its log. */
  lastWords(): string[] {
    return this.#log.lastWords(LAST_WORDS);
  }

  /** SIGTERM, and SIGKILL if it takes longer than `patience` ms. */
  async stop(patience: number): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), patience);
    await this.#running;
    clearTimeout(timer);
    this.#log.close();
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  async #keep(): Promise<void> {
    const { name, say, onHopeless } = this.#options;
    const { signal } = this.#stopping;
    for (let deaths = 0; !signal.aborted; ) {
      const started = performance.now();
      const how = await this.#live();
      if (signal.aborted) return;
      deaths = performance.now() - started > STABLE_MS ? 1 : deaths + 1;
      if (deaths >= HOPELESS)
        return onHopeless(`${name} ended ${deaths} times in a row, the last time ${how}`);
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (deaths - 1));
      say(`${name} ended ${how}; starting it again in ${pause / 1000} s. Log: ${this.#log.path}`);
      for (const line of this.lastWords()) say(`  ${line}`);
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }

  /** One life. @returns how it ended */
  #live(): Promise<string> {
    const { args, cwd, env, onLine } = this.#options;
    return new Promise((resolve) => {
      // A session of its own: Ctrl-C in a terminal must reach us, who stop everything in order.
      const child = spawn(process.execPath, args, {
        cwd,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      this.#child = child;
      for (const input of [child.stdout!, child.stderr!])
        createInterface({ input }).on('line', (line) => onLine?.(line) || this.#log.add(line));
      child.once('error', (error) => resolve(`(${error.message})`));
      child.once('close', (code, signal) => resolve(signal ? `by ${signal}` : `with exit code ${code}`));
    });
  }
}
