import { styleText } from 'node:util';
import type { Environment } from '../settings.ts';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes: stdout for what was asked for, stderr for what is said about it. */
export interface Terminal {
  out: NodeJS.WriteStream;
  err: NodeJS.WriteStream;
  /** Colours where stdout is a terminal and NO_COLOR is not set (https://no-color.org). */
  style(style: Style, text: string): string;
}

export function openTerminal(process: Pick<NodeJS.Process, 'stdout' | 'stderr'>, env: Environment): Terminal {
  const { stdout: out, stderr: err } = process;
  const coloured = out.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return { out, err, style: (style, text) => (coloured ? styleText(style, text) : text) };
}

/** Without control characters: what a model or a client wrote must not steer the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** The same on one line. */
export const oneLine = (text: string): string => printable(text.replace(/\s*\n\s*/g, ' '));
