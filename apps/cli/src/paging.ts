import type { Command } from 'commander';
import { numberOption } from './context.ts';

export interface PageOptions {
  after?: string;
  limit?: number;
}

export const paged = (command: Command): Command =>
  command
    .option('--after <id>', 'the page after this object')
    .option('--limit <n>', 'objects on a page (50)', numberOption('--limit'));

/** What a page of a list leaves unsaid. */
export const moreHint = ({
  data,
  has_more,
}: {
  data: readonly { id?: string }[];
  has_more: boolean;
}): string => (has_more ? `\n(more: --after ${data.at(-1)?.id ?? ''})` : '');
