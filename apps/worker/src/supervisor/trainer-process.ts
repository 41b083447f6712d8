import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BackendReport, FromTrainer, ToTrainer } from '../trainer/messages.ts';

const LOG_LINES = 40;

/**
 * What libraries read once, when the process starts. glibc keeps what is freed for each of its arenas: with eight a core,
 * 40 MiB of a 12 M parameter model's peak. oneDNN makes a train step a quarter faster; TensorFlow of itself uses it only
 * on some processors (docs/engine-log.md).
 */
const TRAINING_ENVIRONMENT = { MALLOC_ARENA_MAX: '2', TF_ENABLE_ONEDNN_OPTS: '1' };

/** From source beside this folder, or bundled beside main.js. */
function entry(): string {
  const source = fileURLToPath(new URL('../trainer/main.ts', import.meta.url));
  return existsSync(source) ? source : fileURLToPath(new URL('./trainer.js', import.meta.url));
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * A trainer in a process of its own, so that a step that blocks costs no heartbeat and a crash kills no worker. It
 * loads its backend at once and then waits for a run; it ends when the worker does.
 */
export class TrainerProcess {
  readonly child: ChildProcess;
  /** Resolves after its last message and its last line have come, which 'exit' alone does not promise. */
  readonly exited: Promise<Exit>;
  /** The last lines that it printed: evidence, should it die. */
  readonly lastLines: string[] = [];
  private backend: Promise<BackendReport>;

  constructor(backend: string) {
    this.child = fork(entry(), [backend], {
      env: { ...TRAINING_ENVIRONMENT, ...process.env },
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => this.keepLines(text));
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.backend = this.waitForBackend();
    this.backend.catch(() => {}); // whoever calls ready() learns of it
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The backend it loaded. Rejects, with what it printed, if it ended before. */
  ready(): Promise<BackendReport> {
    return this.backend;
  }

  send(message: ToTrainer): void {
    if (this.child.connected) this.child.send(message, () => {}); // one that has just died hears nothing
  }

  onMessage(listener: (message: FromTrainer) => void): void {
    this.child.on('message', listener as (message: unknown) => void);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private waitForBackend(): Promise<BackendReport> {
    return new Promise((resolve, reject) => {
      this.child.once('message', (message: FromTrainer) => {
        if (message.type === 'ready') resolve(message.backend);
        else if (message.type === 'failed') reject(new Error(message.error.message));
      });
      this.child.on('error', reject);
      void this.exited.then(({ code, signal }) =>
        reject(
          new Error(
            `The trainer process ended early (${signal ?? `exit code ${code}`}):\n${this.lastLines.join('\n')}`,
          ),
        ),
      );
    });
  }

  private keepLines(text: string): void {
    this.lastLines.push(...text.split('\n').filter((line) => line.trim() !== ''));
    this.lastLines.splice(0, Math.max(0, this.lastLines.length - LOG_LINES));
  }
}
