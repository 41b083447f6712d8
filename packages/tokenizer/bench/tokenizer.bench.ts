/**
 * node --conditions=source --import tsx packages/tokenizer/bench/tokenizer.bench.ts [TEXT_FILE...]
 * Trains 4,096 entries on the files (or on 10 MB of generated text) and prints MB/s of every step, one core.
 */
import { readFileSync } from 'node:fs';
import { BpeTrainer } from '../src/index.ts';
import { generateText } from './generate-text.ts';

const VOCAB_SIZE = 4096;
const files = process.argv.slice(2);
const text =
  files.length > 0 ? files.map((file) => readFileSync(file, 'utf8')).join('\n') : generateText(10e6, 1);
const megabytes = Buffer.byteLength(text) / 1e6;

function timed<T>(name: string, work: () => T): T {
  const start = performance.now();
  const result = work();
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `${name.padEnd(16)} ${seconds.toFixed(2).padStart(7)} s ${(megabytes / seconds).toFixed(1).padStart(7)} MB/s`,
  );
  return result;
}

console.log(`${megabytes.toFixed(1)} MB of ${files.length > 0 ? 'the given files' : 'generated text'}`);
const trainer = new BpeTrainer({ vocabSize: VOCAB_SIZE });
timed('count words', () => trainer.add(text));
const tokenizer = timed('learn merges', () => trainer.train());
const tokens = timed('encode', () => tokenizer.encode(text));
timed('encode again', () => tokenizer.encode(text));
const decoded = timed('decode', () => tokenizer.decode(tokens));
const bytesPerToken = (megabytes * 1e6) / tokens.length;
const peak = process.resourceUsage().maxRSS / 1024;
console.log(
  `${tokenizer.vocabSize} entries, ${bytesPerToken.toFixed(2)} bytes a token, peak ${peak.toFixed(0)} MiB`,
);
if (decoded !== text) throw new Error('The round trip changed the text.');
