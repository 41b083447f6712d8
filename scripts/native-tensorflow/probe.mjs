import * as fs from 'node:fs';
import * as path from 'node:path';
import { errorLine, run } from './run.mjs';

const PROBE_MS = 120_000;
const MARK = 'PROBE ';

/** util.isNullOrUndefined and util.isArray were removed in Node 23; tfjs-node 4.22 still calls them. */
const PROGRAM = `
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
const tf = require(process.argv[1]);
const [product] = tf.matMul([[1, 2]], [[3], [4]]).dataSync();
if (product !== 11) throw new Error('1*3 + 2*4 came out as ' + product);
const backend = tf.backend();
console.log('${MARK}' + JSON.stringify({ libraryVersion: backend.binding.TF_Version, gpu: backend.isUsingGpuDevice }));
`;

/** A success is remembered beside the addon, per Node version, so that later starts cost nothing. */
const stampFile = (packageDir) =>
  path.join(packageDir, 'lib', `verified-${process.version}-${process.arch}.json`);

/** What the last successful probe said, if the files that it used are still there. */
export function rememberedProbe(packageDir, addonFile) {
  if (![addonFile, path.join('deps', 'lib')].every((name) => fs.existsSync(path.join(packageDir, name))))
    return undefined;
  try {
    return JSON.parse(fs.readFileSync(stampFile(packageDir), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Loads the package in a child process and multiplies two matrices. */
export async function probe(packageDir) {
  const env = { TF_CPP_MIN_LOG_LEVEL: '3' };
  const result = await run(process.execPath, ['-e', PROGRAM, packageDir], { timeoutMs: PROBE_MS, env });
  const line = result.output.split('\n').find((text) => text.startsWith(MARK));
  if (!result.ok || !line) return { loads: false, reason: errorLine(result) };
  const success = { loads: true, ...JSON.parse(line.slice(MARK.length)) };
  try {
    fs.writeFileSync(stampFile(packageDir), `${JSON.stringify(success)}\n`);
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM'].includes(error.code)) throw error;
  }
  return success;
}
