import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Options, parseOptions } from '../../bench/options.ts';
import { plan } from '../../bench/plan.ts';
import type { Report } from '../../bench/report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const COMMAND = ['--conditions=source', '--import', 'tsx', 'bench/main.ts'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-bench-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bench = (...args: string[]) =>
  promisify(execFile)(process.execPath, [...COMMAND, ...args], { cwd: ROOT });

const refusal = async (...args: string[]): Promise<{ code: number; stderr: string }> =>
  bench(...args).then(
    () => expect.unreachable('it was accepted'),
    (error) => error,
  );

/** Every number in it must be finite, which JSON writes as null otherwise, and above zero. */
function expectPositive(row: object): void {
  for (const [name, value] of Object.entries(row)) {
    if (name === 'share_of_sgemm' && value === null) continue; // no native backend on this machine
    if (typeof value !== 'string' && name !== 'over') expect(value, name).toBeGreaterThan(0);
  }
}

describe('npm run bench', () => {
  it('measures every workload and writes what it prints', { timeout: 180_000 }, async () => {
    const file = join(folder, 'figures.json');
    const args = ['--sizes', 'T', '--backends', 'cpu', '--quick', '--no-peer', '--json', file];
    const { stdout } = await bench(...args);
    const report: Report = JSON.parse(await readFile(file, 'utf8'));

    expect(report.failed).toEqual([]);
    expect(report.models.map(({ workload, batch }) => `${workload} ${batch}`)).toEqual([
      'train 4',
      'forward 4',
      'generate 1',
      'generate 16',
    ]);
    for (const row of report.models) {
      expect(row).toMatchObject({ size: 'T', backend: 'cpu', engine: 'eager', iterations: 2, over: {} });
      expectPositive(row);
      expect(stdout).toContain(row.workload);
    }
    expect(report.tokenizer.map(({ workload }) => workload)).toEqual(['tokenizer_train', 'tokenizer_encode']);
    report.tokenizer.forEach(expectPositive);
    expect(report.sgemm.cpu!.best).toBeGreaterThan(0);
    expect(report.machine.cores).toBeGreaterThan(0);
  });

  it('leaves out what would take too long, and says so', () => {
    const options = parseOptions(['--sizes', 'S,L', '--backends', 'cpu', '--only', 'train']) as Options;
    const { heats, leftOut } = plan(options, 2, new Map([['cpu', 1.5]]));
    expect(heats.map(({ size }) => size)).toEqual(['S']);
    expect(leftOut).toEqual([
      { what: 'L train on cpu', reason: expect.stringMatching(/^one iteration takes \d{3} s at least/) },
    ]);
  });

  it('ends with 2 and what to do on a wrong option', async () => {
    const { code, stderr } = await refusal('--fast');
    expect(code).toBe(2);
    expect(stderr).toBe("error: Unknown option '--fast'; see npm run bench -- --help.\n");
  });

  it.each([
    [['--sizes', 'S,XL'], '--sizes has "XL"; use any of T, S, M, L'],
    [['--only', 'tokenise'], '--only has "tokenise"; use any of train, forward, generate, tokenizer'],
    [['--engines', 'fast'], '--engines has "fast"; use any of '],
    [['--steps', '0'], '--steps is "0"; it must be a whole number of 1 or more'],
    [['S'], "Unexpected argument 'S'"],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});
