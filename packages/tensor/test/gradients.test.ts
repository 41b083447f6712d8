import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

const exec = promisify(execFile);
const require = createRequire(import.meta.url);
const program = fileURLToPath(new URL('./gradient-program.ts', import.meta.url));
const tfjsNode = path.dirname(require.resolve('@tensorflow/tfjs-node/package.json'));
const hasNative = existsSync(path.join(tfjsNode, 'lib')) && existsSync(path.join(tfjsNode, 'deps'));

/*
 * Hand computed: y = rows W with rows 0, 2, 2 of the table is [[3, 4], [11, 12], [11, 12]], dy = 2 y,
 * d rows = dy W^T = [[6, 22], [22, 70], [22, 70]]; row 2 was taken twice, so its gradients add up;
 * d W = rows^T dy = [[1, 5, 5], [2, 6, 6]] [[6, 8], [22, 24], [22, 24]].
 */
const EXPECTED = {
  table: [
    [6, 22],
    [0, 0],
    [44, 140],
  ],
  weights: [
    [226, 248],
    [276, 304],
  ],
};

/** What libtensorflow says on processors with AVX-512 VNNI, and no setting of it silences. */
const ANNOUNCEMENT =
  /^(WARNING: All log messages before absl::InitializeLog|I\d{4} .* oneDNN custom operations are on)/;

async function runProgram(args: string[]) {
  const { stdout, stderr } = await exec(process.execPath, args);
  const lines = stderr.split('\n').filter((line) => !ANNOUNCEMENT.test(line));
  return { ...JSON.parse(stdout), stderr: lines.join('\n') };
}

describe.each([...(hasNative ? ['tensorflow'] : []), 'wasm', 'cpu'])('backend %s', (backend) => {
  test('differentiates matMul and gather, quietly and without leaks', async () => {
    const result = await runProgram(['--conditions=source', '--import', 'tsx', program, backend]);
    expect(result.gradients).toEqual([EXPECTED.table, EXPECTED.weights]);
    expect(result).toMatchObject({ oneInstance: true, leaked: 0, backend, stderr: '' });
    expect(result.info).toMatchObject({ name: backend, version: '4.22.0', device: 'cpu', reasons: [] });
    if (backend === 'tensorflow') expect(result.info.libraryVersion).toMatch(/^\d+\.\d+\.\d+/);
  });
});

test('a bundle with packages external sees the same instance', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'tensor-bundle-'));
  try {
    const outfile = path.join(dir, 'program.mjs');
    const external = ['@tensorflow/*'];
    const conditions = ['source'];
    await build({
      entryPoints: [program],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external,
      conditions,
    });
    await symlink(path.resolve(tfjsNode, '..', '..'), path.join(dir, 'node_modules'));
    const result = await runProgram([outfile, hasNative ? 'tensorflow' : 'wasm']);
    expect(result.gradients).toEqual([EXPECTED.table, EXPECTED.weights]);
    expect(result.oneInstance).toBe(true);
  } finally {
    await rm(dir, { recursive: true });
  }
});
