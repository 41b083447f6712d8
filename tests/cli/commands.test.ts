import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Checkpoint, createClient, type DatasetVersion, type Run } from '@trainyard/contracts';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ADMIN_KEY, bundleCli, type Cli, makeFolder, startUp, stop, type Up } from './cli-under-test.ts';

const TINY = { model: { preset: 'tiny', context_length: 32 }, optimization: { steps: 6, batch_size: 2 } };
const WORDS = [
  'the cat sat',
  'a dog ran',
  'one bird sang',
  'no fish swam',
  'every horse ate',
  'this cow slept',
];

// A process for each command: slow where others use the cores too
vi.setConfig({ testTimeout: 240_000 });

let place: Awaited<ReturnType<typeof makeFolder>>;
let cli: Cli;
let up: Up;
let env: Record<string, string>;

beforeAll(async () => {
  place = await makeFolder();
  cli = await bundleCli(place.folder);
  up = await startUp(join(place.folder, 'data'), { TRAINYARD_ADMIN_KEY: ADMIN_KEY });
  env = { TRAINYARD_URL: up.url, TRAINYARD_API_KEY: ADMIN_KEY };
});

afterAll(async () => {
  if (up) await stop(up.process);
  await place?.remove();
});

const run = (...args: string[]) => cli(args, env);

/** A command's --json output; fails on any other exit status than 0 and on anything that is not JSON. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(place.folder, name);
  await writeFile(path, content);
  return path;
}

/** The items of `watch --json`, one a line. */
const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

async function submit(...args: string[]): Promise<Run> {
  const { code, stdout, stderr } = await run('runs', 'submit', ...args, '--watch', '--json');
  expect([code, stderr]).toEqual([0, '']);
  const items = lines(stdout);
  expect(items.slice(0, -1).every(({ type }) => ['metric', 'event'].includes(type))).toBe(true);
  expect(items.at(-1)).toMatchObject({ type: 'run', data: { state: 'succeeded' } });
  return items.at(-1).data;
}

describe('datasets', () => {
  test('text and chat are created and uploaded, compressed or not', async () => {
    const documents = Array.from({ length: 60 }, (_, i) => `${WORDS[i % 6]} ${i}.`);
    const [text, questions] = await Promise.all([
      file('words.txt', documents.join('\n\n')),
      file('questions.jsonl.gz', gzipSync(WORDS.map(chatLine).join('\n'))),
      json('datasets', 'create', 'words', '--kind', 'text', '--licence', 'CC0-1.0'),
      json('datasets', 'create', 'questions', '--kind', 'chat'),
    ]);
    const [version, chats] = await Promise.all([
      json<DatasetVersion>(
        'datasets',
        'upload',
        'words',
        text,
        '--held-out',
        '0.2',
        '--collected-until',
        '2020-02-03',
      ),
      json<DatasetVersion>('datasets', 'upload', 'questions', questions, '--held-out', '0'),
    ]);
    expect(version).toMatchObject({ dataset_name: 'words', version: 1, collected_until: '2020-02-03' });
    expect(version.train.records + version.held_out.records).toBe(60);
    expect(version.held_out.records).toBeGreaterThan(0);
    expect(chats.train.records).toBe(6);
    const [shown, preview] = await Promise.all([
      run('datasets', 'show', 'words'),
      json<{ records: unknown[] }>('datasets', 'preview', 'questions@1', '--limit', '2'),
    ]);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(/VERSION.*TRAIN.*\n1 .*2020-02-03/s);
    expect(preview.records).toHaveLength(2);
  });

  test('bad data is named by line, an unknown dataset by name; nothing is kept', async () => {
    const broken = await file('broken.jsonl', `${chatLine('fine')}\n{"messages": 5}\nnot json\n`);
    const [refused, unknown] = await Promise.all([
      run('datasets', 'upload', 'questions', broken),
      run('datasets', 'upload', 'no-such-set', broken),
    ]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('line 2');
    expect(refused.stderr).toContain('line 3');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('no-such-set');
    const { versions } = await json<{ versions: unknown[] }>('datasets', 'show', 'questions');
    expect(versions).toHaveLength(1);
  });
});

const chatLine = (words: string): string =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `Say ${words}` },
      { role: 'assistant', content: words },
    ],
  });

describe('runs', () => {
  let base: Checkpoint;

  test('a run that cannot be is refused by field; a dry run estimates and queues nothing', async () => {
    const [misspelt, estimate, stranger] = await Promise.all([
      run('runs', 'submit', '--stage', 'tokenizer', '--dataset', 'words', '--set', 'vocab_sise=300'),
      json<{ stage: string; config: object }>(
        ...[
          'runs',
          'submit',
          '--stage',
          'tokenizer',
          '--dataset',
          'words',
          '--set',
          'vocab_size=300',
          '--dry-run',
        ],
      ),
      cli(['runs', 'list'], { ...env, TRAINYARD_API_KEY: 'ty_somebody_elses_key' }),
    ]);
    expect(misspelt).toMatchObject({ code: 2, stdout: '' });
    expect(misspelt.stderr).toContain('config.vocab_sise');
    expect(estimate).toMatchObject({ stage: 'tokenizer', config: { vocab_size: 300 } });
    expect(stranger).toMatchObject({ code: 2, stdout: '' });
    expect(stranger.stderr).toContain('TRAINYARD_API_KEY');
    expect(await json('runs', 'list')).toEqual({ data: [], has_more: false });
  });

  test('a tokenizer, a base model and its progress are made and watched', async () => {
    const trained = await submit('--stage', 'tokenizer', '--dataset', 'words', '--set', 'vocab_size=280');
    expect(trained.tokenizer_id).toBeTruthy();
    const watched = await run(
      ...[
        'runs',
        'submit',
        '--stage',
        'pretrain',
        '--dataset',
        'words@1',
        '--tokenizer',
        trained.tokenizer_id!,
      ],
      ...[
        '--config',
        await file('tiny.json', JSON.stringify(TINY)),
        '--set',
        'optimization.steps=8',
        '--watch',
      ],
    );
    expect(watched).toMatchObject({ code: 0, stderr: '' });
    expect(watched.stdout).toMatch(/starting -> running/);
    expect(watched.stdout).toMatch(/succeeded after .*\ncheckpoint /);
    const id = watched.stdout.split('\n')[0]!;
    const [got, metrics, events] = await Promise.all([
      json<Run>('runs', 'get', id),
      json<{ data: { step: number; values: { loss: number } }[] }>('runs', 'metrics', id),
      run('runs', 'events', id),
    ]);
    expect(got).toMatchObject({ state: 'succeeded', config: { optimization: { steps: 8, batch_size: 2 } } });
    expect(metrics.data.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(metrics.data.every(({ values }) => values.loss > 0)).toBe(true);
    expect(events.stdout).toContain('"to":"succeeded"');
    base = await json<Checkpoint>('checkpoints', 'get', got.checkpoint_id!);
    expect(base).toMatchObject({ kind: 'base', step: 8, final: true, knowledge_cutoff: '2020-02-03' });
  });

  test('a cancelled run ends watching with status 1, and can be steered no further', async () => {
    const queued = await json<Run>(
      ...['runs', 'submit', '--stage', 'pretrain', '--dataset', 'words', '--tokenizer', base.tokenizer_id],
      ...['--config', JSON.stringify(TINY), '--set', 'optimization.steps=1000000'],
    );
    const watching = run('runs', 'watch', queued.id);
    expect((await run('runs', 'cancel', queued.id)).code).toBe(0);
    const watched = await watching;
    expect(watched.code).toBe(1);
    expect(watched.stdout).toContain('cancelled');
    const paused = await run('runs', 'pause', queued.id);
    expect(paused).toMatchObject({ code: 2, stdout: '' });
    expect(paused.stderr).toContain('cannot pause');
  });

  test('a checkpoint is tagged, named, downloaded, traced and asked', async () => {
    const into = join(place.folder, 'download');
    await Promise.all([
      run('checkpoints', 'tag', base.id, 'first', 'small'),
      run('checkpoints', 'alias', 'base@test', base.id),
    ]);
    const [tagged, fetched, lineage, predicted] = await Promise.all([
      json<{ data: Checkpoint[] }>('checkpoints', 'list', '--tag', 'small'),
      json<{ files: string[] }>('checkpoints', 'download', 'base@test', '--output', into),
      run('lineage', 'checkpoint', 'base@test'),
      json<{ positions: { candidates: { probability: number }[] }[] }>(
        ...['checkpoints', 'predict', 'base@test', 'the cat', '--top-k', '3'],
      ),
    ]);
    expect(tagged.data.map(({ id, aliases }) => [id, aliases])).toEqual([[base.id, ['base@test']]]);
    const names = await readdir(into);
    expect(fetched.files).toHaveLength(names.length);
    expect(names).toContain('model.safetensors');
    const client = createClient({ baseUrl: up.url, apiKey: ADMIN_KEY });
    for (const { name, sha256 } of (await client.checkpoints.files(base.id)).data) {
      const content = await readFile(join(into, name));
      expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    }
    expect(lineage.stdout).toMatch(
      /^base checkpoint at step 8.*\n.*pretrain run.*\n.*words@1, collected until 2020-02-03/,
    );
    expect(lineage.stdout).toContain('Knowledge cut-off: 2020-02-03');
    const [first] = predicted.positions;
    expect(first!.candidates).toHaveLength(3);
    const wrong = await run('checkpoints', 'get', 'base@nowhere');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('base@nowhere');
  });

  test('a pipeline from standard input makes an assistant that chats and is judged', async () => {
    const request = {
      name: 'small',
      stages: [
        {
          name: 'assistant',
          stage: 'finetune',
          inputs: { datasets: ['questions'], base: 'base@test' },
          config: { optimization: { steps: 2, batch_size: 2 } },
        },
        {
          name: 'measure',
          stage: 'eval',
          inputs: { datasets: ['questions'], base: { stage: 'assistant' } },
          config: { task: 'answers', split: 'train', limit: 2, max_new_tokens: 4 },
        },
      ],
    };
    const made = await cli(['pipelines', 'submit', '-', '--watch'], env, JSON.stringify(request));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(
      /assistant +finetune +succeeded.*\nmeasure +eval +succeeded.*\nsmall: succeeded\n$/,
    );
    const { data } = await json<{ data: Checkpoint[] }>('checkpoints', 'list', '--kind', 'assistant');
    const id = data[0]!.id;
    const [once, talk, masked, compared] = await Promise.all([
      json<{ text: string; completion_tokens: number }>('chat', id, 'Say', 'hi', '--max-tokens', '3'),
      cli(['chat', id, '--max-tokens', '3'], env, 'Say hi\n/new\nSay ho\n'),
      run('chat', 'nobody@home', 'hi'),
      json<{ id: string; state: string }>(
        ...['feedback', 'compare', id, 'Say hi', '--max-tokens', '3', '--temperature', '2'],
      ),
    ]);
    expect(once.completion_tokens).toBeGreaterThan(0);
    expect(once.completion_tokens).toBeLessThanOrEqual(3);
    expect(talk.code).toBe(0);
    expect(talk.stdout.match(/> /g)!.length).toBeGreaterThanOrEqual(3);
    expect(talk.stderr).toContain('knowledge until 2020-02-03');
    expect(masked.code).toBe(2);
    expect(compared.state).toBe('waiting');
    expect(await json('feedback', 'judge', compared.id, 'b', '--comment', 'shorter')).toMatchObject({
      state: 'judged',
      verdict: 'b',
    });
    const again = await run('feedback', 'judge', compared.id, 'a');
    expect(again.code).toBe(2);
  });
});

describe('keys and workers', () => {
  test('a key does what its scopes say, and nothing once it is revoked', async () => {
    const created = await json<{ id: string; key: string }>('keys', 'create', 'reader', '--scope', 'read');
    const reader = { ...env, TRAINYARD_API_KEY: created.key };
    const [seen, refused] = await Promise.all([
      cli(['workers', 'list', '--live'], reader),
      cli(['datasets', 'create', 'mine', '--kind', 'text'], reader),
    ]);
    expect(seen).toMatchObject({ code: 0, stderr: '' });
    expect(seen.stdout).toMatch(/NAME.*STATE.*\n.*worker-1/s);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('scope write');
    await json('keys', 'revoke', created.id);
    expect((await cli(['workers', 'list'], reader)).code).toBe(2);
  });
});
