// Writes checkpoints as a trainer does into the folder of its first argument, each time it gets a line, which is what
// `inject` of a preloaded module is told. Prints what was complete and what failed, which it tries again.
import { read } from 'node:fs';
import { promisify } from 'node:util';
import { type BlobStore, openBlobStore, writeCheckpoint } from '@trainyard/storage';

const [folder] = process.argv.slice(2);
const ATTEMPTS = 3;
let store: BlobStore | undefined;
const injected = globalThis as { inject?: (injection: unknown) => void; calls?: Record<string, number> };
const content = (step: number, length: number) => new Uint8Array(length).fill(step);
const say = (word: string, what: unknown) => process.stdout.write(`${word} ${JSON.stringify(what)}\n`);

/** Reads in libuv's one thread, by which a tracer finds that. Undefined at the end. */
async function nextLine(): Promise<string | undefined> {
  const buffer = Buffer.alloc(1000);
  const { bytesRead } = await promisify(read)(0, buffer, 0, buffer.length, null);
  return bytesRead > 0 ? buffer.toString('utf8', 0, bytesRead) : undefined;
}

async function write(step: number): Promise<void> {
  store ??= await openBlobStore(folder!);
  const { manifest } = await writeCheckpoint(store, {
    runId: 'a-run',
    epoch: 1,
    step,
    model: {},
    counters: {},
    cursor: { step, seed: 1 },
    createdAt: new Date(0).toISOString(),
    files: { 'model.safetensors': [content(step, 64), content(step >> 8, 200)] },
  });
  say('wrote', manifest.sha256);
}

say('ready', process.pid);
for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
  const { step, ...injection } = JSON.parse(line);
  injected.inject?.(injection);
  // The second is the first again: its files are there already, and are only renewed.
  for (const each of [step, step, step + 1])
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1)
      try {
        await write(each);
        break;
      } catch (error) {
        say('failed', (error as { code?: string }).code);
      }
  say('done', injected.calls ?? {});
}
