import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleCli, type Cli, makeFolder } from './cli-under-test.ts';

/** Port 9 (discard) is in nobody's use on the loopback. */
const NOWHERE = { TRAINYARD_URL: 'http://127.0.0.1:9', TRAINYARD_API_KEY: 'ty_none_at_all_here' };

let place: Awaited<ReturnType<typeof makeFolder>>;
let cli: Cli;

beforeAll(async () => {
  place = await makeFolder();
  cli = await bundleCli(place.folder);
});

afterAll(() => place?.remove());

test('help and version go to stdout and are no failure', async () => {
  const [help, version] = await Promise.all([cli(['--help']), cli(['--version'])]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const word of ['up', 'demo', 'datasets', 'runs', 'pipelines', 'lineage', 'chat', 'Exit status'])
    expect(help.stdout).toContain(word);
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('a wrong command line is refused with status 2 before anything is sent', async () => {
  const [unknown, option, missing, choice, setting, url] = await Promise.all([
    cli(['trains', 'list'], NOWHERE),
    cli(['runs', 'list', '--colour', 'red'], NOWHERE),
    cli(['runs', 'submit', '--dataset', 'text'], NOWHERE),
    cli(['runs', 'submit', '--stage', 'pretraining'], NOWHERE),
    cli(['runs', 'submit', '--stage', 'pretrain', '--set', 'optimization.steps'], NOWHERE),
    cli(['runs', 'list', '--url', 'nowhere'], NOWHERE),
  ]);
  for (const { code, stdout } of [unknown, option, missing, choice, setting, url]) {
    expect(code).toBe(2);
    expect(stdout).toBe('');
  }
  expect(unknown.stderr).toContain('trains');
  expect(option.stderr).toContain('--colour');
  expect(missing.stderr).toContain('--stage');
  expect(choice.stderr).toMatch(/pretraining.*tokenizer, pretrain/s);
  expect(setting.stderr).toContain('--set takes name.of.option=value');
  expect(url.stderr).toContain('--url');
});

test('files that cannot be sent are named, with status 2', async () => {
  const [absent, ending, json] = await Promise.all([
    cli(['datasets', 'upload', 'text', '/nowhere/words.txt'], NOWHERE),
    cli(['datasets', 'upload', 'text', '/nowhere/words.pdf'], NOWHERE),
    cli(['pipelines', 'submit', '-'], NOWHERE, '{"name": '),
  ]);
  for (const { code, stdout } of [absent, ending, json]) expect([code, stdout]).toEqual([2, '']);
  expect(absent.stderr).toContain('there is no such file');
  expect(ending.stderr).toMatch(/must end in \.txt or \.jsonl/);
  expect(json.stderr).toContain('standard input is not JSON');
});

test('an API out of reach is status 3, also as JSON', async () => {
  const [text, json] = await Promise.all([
    cli(['runs', 'list'], NOWHERE),
    cli(['runs', 'list', '--json'], NOWHERE),
  ]);
  expect(text).toMatchObject({ code: 3, stdout: '' });
  expect(text.stderr).toMatch(/no answer from http:\/\/127\.0\.0\.1:9.*trainyard up/s);
  expect(json).toMatchObject({ code: 3, stdout: '' });
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'unavailable' } });
});
