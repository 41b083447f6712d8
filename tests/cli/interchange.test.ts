import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, Completion, Run } from '@trainyard/contracts';
import { decodeSafetensors } from '@trainyard/storage';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  ADMIN_KEY,
  bundleCli,
  type Cli,
  makeFolder,
  readJson,
  startUp,
  stop,
  type Up,
} from './cli-under-test.ts';

// A process for each command, and runs by a real worker
vi.setConfig({ testTimeout: 240_000 });

const ANIMALS = ['cat', 'dog', 'bird', 'fish', 'horse', 'cow'];
const WORDS = ANIMALS.flatMap((one) => ANIMALS.map((other) => `the ${one} sees a ${other} and runs`));
const CHATS = ['cat', 'dog', 'bird'].map((animal) => ({
  messages: [
    { role: 'user', content: `what is a ${animal}?` },
    { role: 'assistant', content: `a ${animal}` },
  ],
}));
const STEPS = ['--set', 'optimization.steps=3', '--set', 'optimization.batch_size=2'];

let place: Awaited<ReturnType<typeof makeFolder>>;
let cli: Cli;
let up: Up;
let env: Record<string, string>;
let base: string;

beforeAll(async () => {
  place = await makeFolder();
  cli = await bundleCli(place.folder);
  up = await startUp(join(place.folder, 'data'), { TRAINYARD_ADMIN_KEY: ADMIN_KEY });
  env = { TRAINYARD_URL: up.url, TRAINYARD_API_KEY: ADMIN_KEY };
  await upload('words', 'text', WORDS.join('\n\n'), '.txt');
  await upload('chats', 'chat', CHATS.map((chat) => JSON.stringify(chat)).join('\n'), '.jsonl');
  const { tokenizer_id } = await run('tokenizer', '--dataset', 'words', '--set', 'vocab_size=300');
  const pretrained = await run(
    'pretrain',
    '--dataset',
    'words',
    '--tokenizer',
    tokenizer_id!,
    '--set',
    'model.preset=tiny',
    ...STEPS,
  );
  base = pretrained.checkpoint_id!;
});

afterAll(async () => {
  if (up) await stop(up.process);
  await place?.remove();
});

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli([...args, '--json'], env);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
}

async function upload(name: string, kind: string, content: string, extension: string): Promise<void> {
  await json('datasets', 'create', name, '--kind', kind);
  const path = join(place.folder, name + extension);
  await writeFile(path, content);
  await json('datasets', 'upload', name, path, '--held-out', '0');
}

async function run(stage: string, ...args: string[]): Promise<Run> {
  const { id } = await json<Run>('runs', 'submit', '--stage', stage, ...args);
  const { code, stdout, stderr } = await cli(['runs', 'watch', id], env);
  expect(code, stdout + stderr).toBe(0);
  return json('runs', 'get', id);
}

const at = (name: string): string => join(place.folder, name);
const weightsIn = async (folder: string, file: string) =>
  decodeSafetensors(await readFile(join(folder, file))).tensors;

test('a checkpoint goes out into a folder, comes back, and can be trained and talked to', async () => {
  const folder = at('exported');
  const { files } = await json<{ files: string[] }>('checkpoints', 'export', base, folder);
  expect((await readdir(folder)).sort()).toEqual(files.map((file) => file.slice(folder.length + 1)).sort());
  const again = await cli(['checkpoints', 'export', base, folder], env);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--force')]);
  expect((await cli(['checkpoints', 'export', base, folder, '--force'], env)).code).toBe(0);

  // As in the cache of another tool: links to files elsewhere.
  const linked = at('linked');
  await mkdir(linked);
  for (const name of await readdir(folder)) await symlink(join(folder, name), join(linked, name));
  const imported = await json<Checkpoint>(
    'checkpoints',
    'import',
    linked,
    '--name',
    'back',
    '--licence',
    'MIT',
    '--collected-until',
    '2024-02-29',
  );
  expect(imported).toMatchObject({ kind: 'base', knowledge_cutoff: '2024-02-29' });
  const tuned = await run('finetune', '--dataset', 'chats', '--base', imported.id, ...STEPS);
  const answer = await json<{ text: string }>('chat', tuned.checkpoint_id!, 'what is a cat?');
  expect(answer).toHaveProperty('text');
});

test('a model whose vocabulary has no tokens for conversations is trained on their text', async () => {
  const folder = at('foreign');
  await json('checkpoints', 'export', base, folder);
  const path = join(folder, 'tokenizer.json');
  const renamed = (await readFile(path, 'utf8')).replaceAll(/<\|(?!endoftext)(\w+)\|>/g, '<|other_$1|>');
  await writeFile(path, renamed);
  const config = join(folder, 'tokenizer_config.json');
  await writeFile(
    config,
    JSON.stringify({ ...(await readJson<object>(config)), pad_token: null, chat_template: 'theirs' }),
  );
  const imported = await json<Checkpoint>('checkpoints', 'import', folder);
  const tuned = await run('finetune', '--dataset', 'chats', '--base', imported.id, ...STEPS);
  const text = await json<Completion>('chat', tuned.checkpoint_id!, 'what is a dog?');
  expect(text).toHaveProperty('text');
  const masked = await cli(
    [
      'runs',
      'submit',
      '--stage',
      'pretrain',
      '--dataset',
      'words',
      '--tokenizer',
      imported.tokenizer_id,
      '--set',
      'objective=masked',
      '--set',
      'model.preset=tiny',
      ...STEPS,
      '--watch',
    ],
    env,
  );
  expect([masked.code, masked.stdout + masked.stderr]).toEqual([1, expect.stringContaining('<|mask|>')]);
});

test('adapters go out on their own, and come back onto their base', async () => {
  const tuned = await run(
    'finetune',
    '--dataset',
    'chats',
    '--base',
    base,
    '--set',
    'method=lora',
    '--set',
    'lora.rank=2',
    ...STEPS,
  );
  const [adapters, whole, both] = [at('adapters'), at('whole'), at('both')];
  await json('checkpoints', 'export', tuned.checkpoint_id!, adapters, '--format', 'peft');
  expect(await readJson(join(adapters, 'adapter_config.json'))).toMatchObject({
    r: 2,
    base_model_name_or_path: base,
  });
  const imported = await json<Checkpoint>('checkpoints', 'import', adapters, '--base', base);
  await json('checkpoints', 'export', tuned.checkpoint_id!, whole);
  await json('checkpoints', 'export', imported.id, both);
  const [ours, theirs] = await Promise.all(
    [whole, both].map((folder) => weightsIn(folder, 'model.safetensors')),
  );
  for (const [name, { data }] of Object.entries(ours!)) {
    const other = theirs![name]!.data as Float32Array;
    (data as Float32Array).forEach((value, i) => {
      if (Math.abs(value - other[i]!) > 1e-6) expect([name, i, value]).toEqual([name, i, other[i]]);
    });
  }
});

test('what cannot be exported or imported ends with status 2 and a name', async () => {
  const refusals: [string[], string][] = [
    [['checkpoints', 'export', base, at('none'), '--format', 'peft'], 'adapters'],
    [['checkpoints', 'export', 'no@where', at('none')], 'no@where'],
    [['checkpoints', 'import', at('nowhere')], at('nowhere')],
    [['checkpoints', 'import', place.folder], 'no file'],
    [['checkpoints', 'import', at('exported'), '--base', base], 'base'],
    [['checkpoints', 'import', at('exported'), '--collected-until', 'soon'], 'collected_until'],
  ];
  for (const [args, said] of refusals) {
    const { code, stderr } = await cli(args, env);
    expect([code, stderr], args.join(' ')).toEqual([2, expect.stringContaining(said)]);
  }
  expect((await readdir(place.folder)).includes('none')).toBe(false);
  await writeFile(join(at('exported'), 'pytorch_model.bin'), 'pickle');
  const pickled = await cli(['checkpoints', 'import', at('exported')], env);
  expect([pickled.code, pickled.stderr]).toEqual([2, expect.stringContaining('pytorch_model.bin')]);
});
