import { readFile, writeFile } from 'node:fs/promises';
import { type BlobStore, readCheckpoint, writeCheckpoint } from '@trainyard/storage';
import { pickFrom, seededRandom } from './seeded-random.ts';

export interface WrittenFiles {
  manifest: string;
  /** Where its files and, last, its manifest lie. */
  files: string[];
}

/** A checkpoint of random content, `bytes` in all. */
export async function writeRandomCheckpoint(store: BlobStore, bytes: number): Promise<WrittenFiles> {
  const noise = seededRandom(bytes);
  const content = (length: number) => Uint8Array.from({ length }, () => noise() * 256);
  const { manifest, files } = await writeCheckpoint(store, {
    runId: 'a-run',
    epoch: 1,
    step: 1,
    model: {},
    counters: {},
    cursor: { step: 1, seed: 1 },
    createdAt: new Date(0).toISOString(),
    files: { 'model.safetensors': content(bytes / 3), 'optimizer.safetensors': content((2 * bytes) / 3) },
  });
  return { manifest: manifest.sha256, files: [...files, manifest].map(({ sha256 }) => store.path!(sha256)) };
}

/** Reads all of a checkpoint, as a trainer does. */
export async function loadWhole(store: BlobStore, manifestSha256: string): Promise<void> {
  const { manifest, file } = await readCheckpoint(store, manifestSha256);
  for (const { name } of manifest.files) await file(name);
}

type Below = (limit: number) => number;

/** What disks, networks and people do to a file. */
export const CORRUPTIONS: Record<string, (content: Buffer, below: Below) => Buffer> = {
  'a flipped bit': (content, below) => {
    content[below(content.length)]! ^= 1 << below(8);
    return content;
  },
  'another byte': (content, below) => {
    content[below(content.length)]! += 1 + below(255);
    return content;
  },
  'an early end': (content, below) => content.subarray(0, below(content.length)),
  'more at the end': (content, below) => Buffer.concat([content, Buffer.alloc(1 + below(100))]),
  'a byte too many': (content, below) => {
    const at = below(content.length);
    return Buffer.concat([content.subarray(0, at), Buffer.of(below(256)), content.subarray(at)]);
  },
  'lost bytes': (content, below) => {
    const at = below(content.length);
    return Buffer.concat([content.subarray(0, at), content.subarray(at + 1 + below(64))]);
  },
  'inverted bytes': (content, below) => {
    const at = below(content.length);
    for (let i = at; i < Math.min(at + 512, content.length); i += 1) content[i]! ^= 0xff;
    return content;
  },
};

/** Corrupts a small checkpoint `count` times, loading it each time. What was found, by kind and error; what was not. */
export async function corruptAtRandom(
  store: BlobStore,
  seed: number,
  count: number,
): Promise<{ found: Record<string, number>; missed: string[] }> {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const { manifest, files } = await writeRandomCheckpoint(store, 3000);
  const sound = new Map(await Promise.all(files.map(async (file) => [file, await readFile(file)] as const)));
  const found: Record<string, number> = {};
  const missed: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const file = pickFrom(random, files);
    const kind = pickFrom(random, Object.keys(CORRUPTIONS));
    await writeFile(file, CORRUPTIONS[kind]!(Buffer.from(sound.get(file)!), below));
    await loadWhole(store, manifest).then(
      () => missed.push(`${i}: ${kind} in ${file}`),
      ({ code }) => {
        found[`${kind}: ${code}`] = (found[`${kind}: ${code}`] ?? 0) + 1;
      },
    );
    await writeFile(file, sound.get(file)!);
  }
  await loadWhole(store, manifest);
  return { found, missed };
}
