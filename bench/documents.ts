import { readFileSync } from 'node:fs';
import { wordnetText } from '@trainyard/datasets';
import { UsageError } from './options.ts';

/**
 * Text for the tokenizer: blocks between blank lines of the files, or `bytes` of WordNet's prose where there are none.
 * @throws UsageError when the files are empty.
 */
export function readDocuments(files: string[], bytes: number): string[] {
  if (files.length > 0) {
    const blocks = files.flatMap((file) => readFileSync(file, 'utf8').split(/\n\s*\n/));
    const filled = blocks.filter((text) => text.trim());
    if (filled.length === 0) throw new UsageError('The files of --text hold no text; name others.');
    return filled;
  }
  const documents: string[] = [];
  let total = 0;
  for (const { text } of wordnetText({ seed: 1 })) {
    if (total >= bytes) break;
    documents.push(text);
    total += Buffer.byteLength(text);
  }
  return documents;
}
