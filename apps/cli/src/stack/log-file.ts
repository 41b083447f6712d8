import { createWriteStream, existsSync, renameSync, statSync, type WriteStream } from 'node:fs';

const LIMIT = 16 * 1024 * 1024; // bytes; one older file is kept
const LINES = 200;

/** A process's log: all of it in a file, the last lines at hand. */
export class LogFile {
  readonly path: string;
  readonly #file: WriteStream;
  readonly #lines: string[] = [];

  constructor(path: string) {
    if (existsSync(path) && statSync(path).size > LIMIT) renameSync(path, `${path}.1`);
    this.path = path;
    this.#file = createWriteStream(path, { flags: 'a', mode: 0o600 });
  }

  add(line: string): void {
    this.#file.write(`${line}\n`);
    this.#lines.push(line);
    if (this.#lines.length > LINES) this.#lines.shift();
  }

  /** The last lines that say something of importance, as text: warnings, errors, and what is no JSON. */
  lastWords(count: number): string[] {
    return this.#lines.flatMap(complaint).slice(-count);
  }

  close(): void {
    this.#file.end();
  }
}

const WARNING = 40; // pino's number of the level

function complaint(line: string): string[] {
  try {
    const { level, msg, err } = JSON.parse(line) as {
      level: number;
      msg: string;
      err?: { message?: string };
    };
    return level >= WARNING ? [`${msg}${err?.message ? `: ${err.message.split('\n')[0]}` : ''}`] : [];
  } catch {
    return line.trim() === '' ? [] : [line];
  }
}
