// Loads our GGUF files with llama.cpp and compares: log-probabilities, token ids.
// node check-llama-cpp.mjs WORK LIBRARY, the folder that node-llama-cpp is installed in
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [work, library] = process.argv.slice(2);
const { getLlama } = await import(
  pathToFileURL(join(library, 'node_modules/node-llama-cpp/dist/index.js')).href
);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const { texts, ids } = JSON.parse(readFileSync(join(work, 'texts.json')));
const record = (row) => appendFileSync(join(work, 'rows.jsonl'), `${JSON.stringify(row)}\n`);

for (const name of readdirSync(join(work, 'exported')).sort()) {
  const folder = join(work, 'exported', name);
  const modelPath = join(folder, 'model-f32.gguf');
  if (!existsSync(modelPath)) continue;
  const model = await llama.loadModel({ modelPath });
  const { tokens, log_probabilities } = JSON.parse(readFileSync(join(folder, 'expected.json')));
  // Keys and values are kept in f16 by default, which alone costs 6e-3.
  const context = await model.createContext({
    contextSize: 64,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const input = tokens.map((token) => [token, { generateNext: { probabilities: true } }]);
  const positions = await context.getSequence().controlledEvaluate(input);
  const differences = positions.flatMap(({ next }, i) =>
    Array.from(next.probabilities, ([token, p]) => Math.abs(Math.log(p) - log_probabilities[i][token])),
  );
  const complete = differences.length === tokens.length * log_probabilities[0].length;
  record({
    name,
    what: 'our GGUF in llama.cpp',
    difference: complete ? differences.reduce((a, b) => Math.max(a, b)) : Infinity,
  });
  if (name === 'assistant') {
    const wrong = texts.filter((text, i) => model.tokenize(text, false).join() !== ids[i].join());
    record({
      name: 'our tokenizer in llama.cpp',
      what: `texts of ${texts.length} with other ids`,
      difference: wrong.length,
    });
  }
  await context.dispose();
  await model.dispose();
}
process.exit(0); // its library keeps threads
