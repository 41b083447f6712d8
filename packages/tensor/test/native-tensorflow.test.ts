import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');
const { prepareNativeTensorFlow } = await import(path.join(root, 'scripts/native-tensorflow.mjs'));
const { cacheRoot, linkEntry, makeEntry } = await import(
  path.join(root, 'scripts/native-tensorflow/cache.mjs')
);
const packageDir = path.dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/package.json'));

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'native-tensorflow-'));
  vi.stubEnv('TRAINYARD_CACHE', dir);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

async function fakeBuild(buildDir: string, addon: string): Promise<void> {
  await mkdir(path.join(buildDir, 'deps', 'lib'), { recursive: true });
  await mkdir(path.join(buildDir, 'lib'));
  await writeFile(path.join(buildDir, 'lib', 'addon'), addon);
}

test('says what to do where the package is not installed, and does not throw', async () => {
  expect(await prepareNativeTensorFlow({ root: dir })).toEqual({
    available: false,
    how: 'none',
    reason: '@tensorflow/tfjs-node is not installed: run npm ci',
  });
});

test('of two builds at once one becomes the entry, whole, and nothing else stays', async () => {
  const entry = path.join(cacheRoot(), 'entry');
  const builds = ['first', 'second'].map((addon) =>
    makeEntry(packageDir, entry, async (buildDir: string) => {
      expect(await readdir(buildDir)).toEqual(['binding', 'binding.gyp', 'package.json', 'scripts']);
      await fakeBuild(buildDir, addon);
    }),
  );
  expect(await Promise.all(builds)).toEqual([undefined, undefined]);
  expect((await readdir(entry)).sort()).toEqual(['deps', 'lib']);
  expect(await readdir(path.join(cacheRoot(), 'builds'))).toEqual([]);
});

test('a failed build gives its reason and leaves no entry', async () => {
  const entry = path.join(cacheRoot(), 'entry');
  const reason = await makeEntry(packageDir, entry, async (buildDir: string) => {
    await fakeBuild(buildDir, 'broken');
    return 'no C++ compiler';
  });
  expect(reason).toBe('no C++ compiler');
  expect(existsSync(entry)).toBe(false);
  expect(await readdir(path.join(cacheRoot(), 'builds'))).toEqual([]);
});

test('links replace folders and older links', async () => {
  const target = path.join(dir, 'package');
  await mkdir(path.join(target, 'deps', 'left-over'), { recursive: true });
  for (const name of ['old', 'new']) {
    linkEntry(target, path.join(dir, name));
    expect(await readlink(path.join(target, 'deps'))).toBe(path.join(dir, name, 'deps'));
    expect(await readlink(path.join(target, 'lib'))).toBe(path.join(dir, name, 'lib'));
  }
  expect((await readdir(target)).sort()).toEqual(['deps', 'lib']);
});
