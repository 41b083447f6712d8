/** Columns under their titles: the first `left` of them left-aligned, the rest, figures, right-aligned. */
export function table(titles: string[], rows: string[][], left: number): string {
  const lines = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const align = (cell: string, column: number): string =>
    column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((line) => line.map(align).join('  ').trimEnd()).join('\n');
}
