import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ours, peers } from './commands.ts';
import { contest, type Effort } from './contest.ts';
import { readDocuments } from './documents.ts';
import { TOKENIZERS, tokenizerFigures } from './figures.ts';
import type { Options } from './options.ts';
import { addDropped, type Outcome, type Surroundings } from './outcome.ts';
import type { TokenizerSpec } from './spec.ts';

const VOCAB_SIZE = 4096;
const TEXT_BYTES = 10e6;
const QUICK_TEXT_BYTES = 200_000;

export async function runTokenizer(
  { text, quick }: Options,
  effort: Effort,
  { tokenizers, log }: Surroundings,
  outcome: Outcome,
): Promise<void> {
  const documents = readDocuments(text, quick ? QUICK_TEXT_BYTES : TEXT_BYTES);
  const bytes = documents.reduce((sum, document) => sum + Buffer.byteLength(document), 0);
  const folder = await mkdtemp(path.join(tmpdir(), 'trainyard-bench-'));
  const documentsFile = path.join(folder, 'documents.json');
  const tokenizerFile = path.join(folder, 'tokenizer.json');
  try {
    await writeFile(documentsFile, JSON.stringify(documents));
    for (const workload of ['tokenizer_train', 'tokenizer_encode'] as const) {
      log(`${workload} on ${(bytes / 1e6).toFixed(1)} MB ...`);
      const spec: TokenizerSpec = { workload, vocabSize: VOCAB_SIZE, documentsFile, tokenizerFile };
      const entries = [{ name: 'trainyard', command: ours('measure.ts', spec) }];
      const oneCore = { RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' };
      if (tokenizers) entries.push({ name: TOKENIZERS, command: peers(tokenizers, spec, '', oneCore) });
      const { measured, failed } = await contest(entries, effort);
      outcome.tokenizer.push(...tokenizerFigures(workload, bytes, measured));
      addDropped(failed, workload, outcome);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
