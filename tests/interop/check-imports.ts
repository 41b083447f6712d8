// Imports what transformers and peft saved and compares what our engine and tokenizer make of it.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { importAdapters, importHuggingFace } from '@trainyard/interchange';
import { loadBackend } from '@trainyard/tensor';
import { importedWeights, readFolder, readJson, record } from './folders.ts';
import { largestDifference, logProbabilities } from './log-probabilities.ts';

interface Expected {
  tokens: number[];
  log_probabilities: number[][];
}

const work = process.argv[2]!;
await loadBackend({ prefer: 'auto' });
const { texts } = await readJson<{ texts: string[] }>(work, 'texts.json');

for (const name of (await readdir(join(work, 'saved'))).sort()) {
  const imported = await importHuggingFace(await readFolder(join(work, 'saved', name)));
  const expected = await readJson<Expected & { ids: number[][] }>(work, 'expected', `${name}.json`);
  const ours = logProbabilities(imported.model, await importedWeights(imported), expected.tokens);
  await record(work, {
    name,
    what: 'their model here',
    difference: largestDifference(ours, expected.log_probabilities),
  });
  const { tokenizer } = imported;
  const wrong = texts.filter((text, i) => tokenizer.encode(text).join() !== expected.ids[i]!.join());
  await record(work, {
    name: `tokenizer cut as ${tokenizer.preTokenizer.name}`,
    what: `texts of ${texts.length} with other ids`,
    difference: wrong.length,
  });
}

const base = await importHuggingFace(await readFolder(join(work, 'saved-adapters', 'base')));
const adapters = await readFolder(join(work, 'saved-adapters', 'adapters'));
const { merged } = await importAdapters(adapters, await importedWeights(base));
const expected = await readJson<Expected>(work, 'expected', 'adapters.json');
await record(work, {
  name: 'their adapters',
  what: 'merged here',
  difference: largestDifference(
    logProbabilities(base.model, merged, expected.tokens),
    expected.log_probabilities,
  ),
});
