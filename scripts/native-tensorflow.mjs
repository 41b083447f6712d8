#!/usr/bin/env node
// Makes the installed @tensorflow/tfjs-node (or, with --gpu, -gpu) loadable. npm installs it with scripts off, so it
// comes without its native addon. Nothing here is required: without the addon the wasm backend is used.
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot, linkEntry, makeEntry } from './native-tensorflow/cache.mjs';
import { official } from './native-tensorflow/official.mjs';
import { probe, rememberedProbe } from './native-tensorflow/probe.mjs';
import { wheel } from './native-tensorflow/wheel.mjs';

const WAYS = [official, wheel];
const NO_GPU =
  'TensorFlow sees no GPU on this machine and computes on the CPU; on a GPU this way has not been tried';

function describe(how, { libraryVersion, gpu }, wanted) {
  return { available: true, how, libraryVersion, ...(wanted.gpu && !gpu && { reason: NO_GPU }) };
}

/** Which build of the package fits this process; node-pre-gyp takes the highest N-API version that both sides know. */
function contextOf({ log, gpu, root }) {
  const packageName = gpu ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  const packageDir = path.join(root, 'node_modules', packageName);
  const manifest = path.join(packageDir, 'package.json');
  if (!fs.existsSync(manifest)) throw new Error(`${packageName} is not installed: run npm ci`);
  const { version, binary } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  const napi = Math.max(...binary.napi_versions.filter((known) => known <= Number(process.versions.napi)));
  const system = `${process.platform}-${process.arch}`;
  const entryOf = (way) =>
    path.join(
      cacheRoot(),
      `${path.basename(packageName)}-${version}-tf-${way.version}-${system}-napi${napi}`,
    );
  const addonFile = path.join('lib', `napi-v${napi}`, 'tfjs_binding.node');
  return { log, gpu, root, packageDir, system, addonFile, entryOf };
}

async function useEntry(context, way) {
  const entry = context.entryOf(way);
  linkEntry(context.packageDir, entry);
  const result = await probe(context.packageDir);
  if (!result.loads) fs.rmSync(entry, { recursive: true, force: true });
  return result;
}

async function prepare(context) {
  const { packageDir, addonFile, entryOf, log } = context;
  const remembered = rememberedProbe(packageDir, addonFile);
  if (remembered) return describe('installed', remembered, context);
  if (fs.existsSync(path.join(packageDir, addonFile))) {
    const result = await probe(packageDir);
    if (result.loads) return describe('installed', result, context);
  }
  const reasons = [];
  for (const way of WAYS.filter((candidate) => fs.existsSync(entryOf(candidate)))) {
    const result = await useEntry(context, way);
    if (result.loads) return describe('cache', result, context);
    reasons.push(`the cached build does not load (${result.reason})`);
  }
  for (const way of WAYS) {
    log(`native TensorFlow: trying ${way.label}`);
    const reason = await makeEntry(packageDir, entryOf(way), (dir) => way.build(dir, context));
    const result = reason ? { loads: false, reason } : await useEntry(context, way);
    if (result.loads) return describe(way.name, result, context);
    reasons.push(`${way.name}: ${result.reason}`);
  }
  return { available: false, how: 'none', reason: reasons.join('; ') };
}

/**
 * Makes tfjs-node loadable if that is possible on this machine; never throws, and is instant when nothing is to be done.
 * `root` is the folder of node_modules. `how`: 'installed' (it loaded already), 'cache', 'official' (the package's own
 * download), 'wheel' (compiled against a Python wheel's library) or 'none'. The package's `deps` and `lib` become
 * links into the cache (see cacheRoot), so a fresh node_modules costs no second build.
 */
export async function prepareNativeTensorFlow({ log = () => {}, gpu = false, root }) {
  try {
    return await prepare(contextOf({ log, gpu, root }));
  } catch (error) {
    return { available: false, how: 'none', reason: error instanceof Error ? error.message : String(error) };
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const result = await prepareNativeTensorFlow({
    log: console.log,
    gpu: process.argv.includes('--gpu'),
    root,
  });
  console.log(JSON.stringify(result));
}
