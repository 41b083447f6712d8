import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Ended, Ready, Turn } from './spec.ts';

export interface Command {
  program: string;
  args: string[];
  env?: Record<string, string>;
}

/** As much of a failed process' complaints as is shown. */
const LINES_SHOWN = 4;

/** A process that measures one workload, a turn at a time; between its turns it sleeps. */
export class Contestant {
  readonly ready: Ready;
  readonly #process: ChildProcess;
  readonly #answers: Answers;

  private constructor(process: ChildProcess, answers: Answers, ready: Ready) {
    this.#process = process;
    this.#answers = answers;
    this.ready = ready;
  }

  /** @throws Error with the process' last words when it ends before it is ready. */
  static async start({ program, args, env }: Command): Promise<Contestant> {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: 'pipe' });
    const answers = readAnswers(child);
    return new Contestant(child, answers, (await answers()) as Ready);
  }

  /** Seconds of each iteration. */
  async turn(turn: Turn): Promise<number[]> {
    this.#process.stdin!.write(`${JSON.stringify(turn)}\n`);
    return (await this.#answers()) as number[];
  }

  async end(): Promise<Ended> {
    this.#process.stdin!.end();
    const ended = (await this.#answers()) as Ended;
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    return ended;
  }

  /** For one whose measuring failed elsewhere. */
  kill(): void {
    this.#process.kill();
  }
}

type Answers = () => Promise<unknown>;

/** The next line of JSON that the process writes; other lines of its output are passed over. */
function readAnswers(child: ChildProcess): Answers {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  let complaints = '';
  child.stderr!.on('data', (text) => {
    complaints = `${complaints}${text}`.slice(-8000);
  });
  child.stdin!.on('error', () => {}); // the process has ended, which its missing answer tells
  const exit = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(`it ended with ${signal ?? `exit code ${code}`}`));
  });
  return async () => {
    for (;;) {
      const { value: line, done } = await lines.next();
      if (done) break;
      if (/^[[{]/.test(line)) return JSON.parse(line);
    }
    const reason = await exit;
    throw new Error([reason, ...complaints.trim().split('\n').slice(-LINES_SHOWN)].join('\n  ').trim());
  };
}
