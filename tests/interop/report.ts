// Prints the table of differences; exit status 1 if one is beyond the limit, or if nothing was compared.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Row } from './folders.ts';

const LIMIT = 1e-4;
/** Fewer rows mean that a step compared nothing. */
const LEAST_ROWS = 33;

const lines = (await readFile(join(process.argv[2]!, 'rows.jsonl'), 'utf8')).trim().split('\n');
const rows = lines.map((line) => JSON.parse(line) as Row);
const width = Math.max(...rows.map(({ name }) => name.length));
for (const { name, what, difference } of rows) {
  const verdict = difference <= LIMIT ? '' : '  TOO LARGE';
  const shown = Number.isInteger(difference) ? String(difference) : difference.toExponential(1);
  console.log(`${name.padEnd(width)}  ${what.padEnd(34)}  ${shown.padStart(8)}${verdict}`);
}
const failed = rows.filter(({ difference }) => !(difference <= LIMIT)).length;
console.log(`${rows.length} comparisons, ${failed} beyond ${LIMIT}`);
if (failed > 0 || rows.length < LEAST_ROWS) process.exitCode = 1;
