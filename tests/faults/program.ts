import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type ProgramProcess, spawnProgram, trainersOf } from '../spawn-program.ts';
import type { FaultProxy } from './fault-proxy.ts';

const RESTART_MS = 200;
const STOP_MS = 40_000;
/** Should the tests' own process be killed, its programs end too. */
const END_WITH_TESTS = 'data:text/javascript,process.once("disconnect",()=>process.exit(1))';

export interface ProgramOptions {
  name: string;
  /** The bundled program. */
  entry: string;
  environment: Record<string, string>;
  /** What it logs once it is ready. */
  readyLine: string;
  /** Its ways to the servers. */
  links: Links;
}

export interface Links {
  postgres: FaultProxy;
  redis?: FaultProxy;
}

/** An API or a worker: one process after the other, by the same name, on the same port, over the same links. */
export class Program {
  readonly name: string;
  readonly links: Links;
  /** Set in the processes that are started from now on, on top of what all of them get. */
  environment: Record<string, string> = {};
  /** Starts again whenever it ends, as compose does with a container. */
  kept = false;
  /** How often it was started. */
  starts = 0;
  readonly #options: ProgramOptions;
  #process: ProgramProcess | undefined;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.name = options.name;
    this.links = options.links;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    this.#spawn();
    await this.ready();
  }

  async ready(): Promise<void> {
    await eventually(`${this.name} being ready`, () => {
      if (!this.kept && !this.alive) throw new Error(`${this.name} ended:\n${this.log.join('\n')}`);
      return this.alive && this.log.some((line) => line.includes(this.#options.readyLine));
    });
  }

  get log(): string[] {
    return this.#process?.log ?? [];
  }

  get pid(): number {
    return this.#process!.child.pid!;
  }

  get alive(): boolean {
    return this.#process !== undefined && hasEnded(this.#process) === false;
  }

  get exitCode(): number | null {
    return this.#process!.child.exitCode;
  }

  get exited(): Promise<unknown> {
    return this.#process!.exited;
  }

  /** The trainers of a worker, oldest first. */
  async trainers(): Promise<number[]> {
    return this.#process ? trainersOf(this.#process) : [];
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Ends it for good: in order, or at once. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.kept = false;
    if (!this.alive) return;
    this.kill('SIGCONT');
    this.kill(signal);
    const late = setTimeout(() => this.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(late);
  }

  #spawn(): void {
    const { name, entry, environment } = this.#options;
    this.starts += 1;
    const started = spawnProgram(['--import', END_WITH_TESTS, entry], {
      ...environment,
      WORKER_NAME: name,
      ...this.environment,
    });
    this.#process = started;
    void started.exited.then(async () => {
      await sleep(RESTART_MS);
      if (this.kept && this.#process === started) this.#spawn();
    });
  }
}

const hasEnded = ({ child }: ProgramProcess) => child.exitCode !== null || child.signalCode !== null;
