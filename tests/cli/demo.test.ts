import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, createClient, type Pipeline, type Run } from '@trainyard/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_KEY, finish, makeFolder, readJson, startCli, stop, until } from './cli-under-test.ts';

let place: Awaited<ReturnType<typeof makeFolder>>;
let demo: ReturnType<typeof startCli>;

beforeAll(async () => {
  place = await makeFolder();
});

afterAll(async () => {
  if (demo) await stop(demo);
  await place?.remove();
});

const isShare = (value: number) => value >= 0 && value <= 1;

test('the demo survives a SIGKILL of its worker in pre-training and reports what it measured', {
  timeout: 600_000,
}, async () => {
  const data = join(place.folder, 'data');
  const reports = join(place.folder, 'reports');
  demo = startCli(
    ['--json', 'demo', '--preset', 'smoke', '--no-gates', '--data', data, '--reports', reports],
    {
      TRAINYARD_ADMIN_KEY: ADMIN_KEY,
      LEASE_SECONDS: '4', // after so long the killed worker's run is free
      HEARTBEAT_SECONDS: '1',
      RECONCILE_SECONDS: '0.5',
      // of some other stack: with any of these the demo's own could not come to its end
      WORKER_STAGES: 'eval',
      REDIS_URL: 'redis://127.0.0.1:9',
      STORAGE_URL: '/nowhere/at/all',
    },
  );
  const ended = finish(demo);
  const client = await until(
    'running demo',
    async () => {
      const { url } = await readJson<{ url: string }>(join(data, 'running.json')).catch(() => ({ url: '' }));
      return url ? createClient({ baseUrl: url, apiKey: ADMIN_KEY }) : undefined;
    },
    60,
  );
  const killed = await killWorkerDuring(client, 'base');
  const watched = watchToTheEnd(client, killed.pipeline_id!);
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);

  const runs = new Map((await watched).runs.map((run) => [run.pipeline_stage, run]));
  expect(runs.get('base')).toMatchObject({ state: 'succeeded', attempts: 2, epoch: 2 });
  expect(stderr).toContain('worker-1 ended by SIGKILL; starting it again');

  const report = await readJson<Report>(join(reports, 'demo.json'));
  expect(JSON.parse(stdout)).toEqual(report);
  const { bits_per_byte, missing_word, finetune, rl, knowledge_cutoff, lineage, seconds, backend, gates } =
    report;
  const text = runs.get('text')!.result!;
  expect(bits_per_byte).toEqual({
    model: text.bits_per_byte,
    bigram: text.bigram_bits_per_byte,
    gzip: text.gzip_bits_per_byte,
  });
  expect(bits_per_byte.model).toBeGreaterThan(1);
  expect(bits_per_byte.model).toBeLessThan(8);
  expect(Object.keys(missing_word)).toEqual(['accuracy', 'unigram']);
  expect(Object.keys(finetune).sort()).toEqual(['base', 'exact_match', 'from_scratch', 'n', 'stop_rate']);
  expect(Object.keys(rl).sort()).toEqual([
    'greedy_after',
    'greedy_before',
    'n',
    'pass_at_1_after',
    'pass_at_1_before',
    'standard_error',
  ]);
  const { n: asked, ...answered } = finetune;
  const { n: prompted, ...reinforced } = rl;
  expect([asked, prompted].every((n) => n! > 0)).toBe(true);
  expect(Object.values({ ...missing_word, ...answered, ...reinforced }).every(isShare)).toBe(true);
  expect(knowledge_cutoff).toBe('2015-12-31');
  expect(backend).toBe(runs.get('base')!.backend);
  for (const stage of runs.keys()) expect(seconds[stage!]).toBeGreaterThan(0);
  expect(seconds.total).toBeGreaterThan(0);

  const count = (type: string) => lineage.nodes.filter((node) => node.type === type).length;
  expect(lineage.root).toBe(`checkpoint:${runs.get('rl')!.checkpoint_id}`);
  expect(count('checkpoint')).toBe(3); // rl, assistant, base
  expect(count('tokenizer')).toBe(1);
  expect(count('dataset_version')).toBeGreaterThanOrEqual(3);

  // an untrained model misses gates: each says so, here and in the text
  const missed = Object.values(gates).filter(({ passed }) => !passed);
  expect(missed.length).toBeGreaterThan(0);
  const markdown = await readFile(join(reports, 'demo.md'), 'utf8');
  expect(markdown.match(/FAILED/g)).toHaveLength(missed.length);
  expect(stderr).toContain('Gate missed');
});

interface Report {
  bits_per_byte: Record<string, number>;
  missing_word: Record<string, number>;
  finetune: Record<string, number>;
  rl: Record<string, number>;
  knowledge_cutoff: string;
  lineage: { root: string; nodes: { type: string }[] };
  seconds: Record<string, number>;
  backend: string;
  gates: Record<string, { passed: boolean }>;
}

/** Kills the worker that trains this stage, in the middle of it. @returns the run as it was */
async function killWorkerDuring(client: Client, stage: string): Promise<Run> {
  const run = await until(
    `running ${stage}`,
    async () => {
      const { data } = await client.runs.list({ state: 'running' }).catch(() => ({ data: [] }));
      return data.find((one) => one.pipeline_stage === stage);
    },
    120,
    50,
  );
  const { pid, state } = await client.workers.get(run.worker_id!);
  expect(state).toBe('busy');
  process.kill(pid, 'SIGKILL');
  return run;
}

/** The pipeline as it was last seen before the demo took its API down. */
async function watchToTheEnd(client: Client, id: string): Promise<Pipeline> {
  let last: Pipeline | undefined;
  await until(
    'end of the pipeline',
    async () => {
      last = (await client.pipelines.get(id).catch(() => undefined)) ?? last;
      return last?.state === 'succeeded' || demo.exitCode !== null;
    },
    540,
  );
  return last!;
}
