import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from './terminal.ts';

/** Between two plain lines where nothing can be repainted. */
const PLAIN_MS = 10_000;
const PAINT_MS = 100;

/**
 * Lines that tell where something stands. On a terminal they are repainted in place; elsewhere one summary is written
 * about every ten seconds.
 */
export class LiveLines {
  readonly #out: NodeJS.WriteStream;
  readonly #now: () => number;
  #painted = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor({ out }: Pick<Terminal, 'out'>, now: () => number) {
    this.#out = out;
    this.#now = now;
  }

  get repaints(): boolean {
    return this.#out.isTTY === true;
  }

  /** @param summary one line, for where `lines` cannot be repainted */
  show(lines: () => readonly string[], summary: () => string): void {
    const now = this.#now();
    if (now - this.#last < (this.repaints ? PAINT_MS : PLAIN_MS)) return;
    this.#last = now;
    if (this.repaints) this.#paint(lines());
    else this.#out.write(`${summary()}\n`);
  }

  /** Writes a line that stays, above the live ones. */
  note(line: string): void {
    this.clear();
    this.#out.write(`${line}\n`);
  }

  clear(): void {
    if (this.#painted > 0) this.#out.write(`\u001b[${this.#painted}A\u001b[J`);
    this.#painted = 0;
    if (this.repaints) this.#last = Number.NEGATIVE_INFINITY;
  }

  #paint(lines: readonly string[]): void {
    const { columns = 80, rows = 24 } = this.#out;
    const shown = lines.slice(0, rows - 1).map((line) => cut(line, columns - 1));
    const up = this.#painted > 0 ? `\u001b[${this.#painted}A` : '';
    this.#out.write(`${up}\u001b[J${shown.join('\n')}\n`);
    this.#painted = shown.length;
  }
}

/** A line that is too long loses its end, and with it its colours. */
function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : `${plain.slice(0, width - 1)}…`;
}
