import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Inference, startInference } from '../../apps/api/src/inference/inference.ts';
import { SOURCE_ARGV } from './api-under-test.ts';

let inference: Inference;
beforeEach(() => {
  inference = startInference({
    program: pathToFileURL(join(import.meta.dirname, 'programs/moody-process.ts')),
    execArgv: SOURCE_ARGV,
    storageUrl: '/nowhere',
    backend: 'cpu',
    logger: pino({ level: 'silent' }),
    maxWaiting: 4,
  });
});
afterEach(() => inference.close());

const files = { manifestSha256: '', tokenizerSha256: '' };
const complete = (prompt: string, options = {}) =>
  inference.ask(files, { kind: 'complete', prompt, max_tokens: 1, temperature: 0, seed: 1 }, options);
const pid = async (prompt: string): Promise<string> => (await complete(prompt)).text.split(' by ')[1]!;

it('one process works for all; when it dies, its request fails, and another one does those that wait', async () => {
  const first = await pid('a');
  expect(await pid('b')).toBe(first);
  const dying = complete('die');
  const waiting = [pid('c'), pid('d')];
  await expect(dying).rejects.toMatchObject({ code: 'unavailable' });
  const [third, fourth] = await Promise.all(waiting);
  expect(third).toBe(fourth);
  expect(third).not.toBe(first);
});

it('a request that is cancelled while it waits is never worked on', async () => {
  const first = complete('a');
  const leaving = new AbortController();
  const gone = complete('die', { signal: leaving.signal });
  const last = complete('b');
  leaving.abort(new Error('gone'));
  await expect(gone).rejects.toThrow('gone');
  expect((await first).text.split(' by ')[1]).toBe((await last).text.split(' by ')[1]);
});

it('a step that hears nothing is ended with its process, and the next request is done', async () => {
  const leaving = new AbortController();
  const hanging = complete('hang', {
    signal: leaving.signal,
    onText: () => leaving.abort(new Error('gone')),
  });
  await expect(hanging).rejects.toThrow('gone');
  expect((await complete('after')).text).toContain('after by');
});

it('asks for patience when too many wait, and ends what waits when it closes', async () => {
  const asked = Array.from({ length: 7 }, (_, i) => complete(i === 0 ? 'hang' : 'x'));
  const outcomes = Promise.allSettled(asked);
  await expect(asked[6]).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('4 requests'),
  });
  await inference.close();
  for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } });
  await expect(complete('late')).rejects.toMatchObject({ code: 'unavailable' });
});

it('a store that was out of reach is tried again by the next request', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-inference-'));
  const mount = join(folder, 'mount');
  await writeFile(mount, 'not a folder yet');
  const late = startInference({
    program: pathToFileURL(resolve(import.meta.dirname, '../../apps/api/src/inference-process.ts')),
    execArgv: SOURCE_ARGV,
    storageUrl: join(mount, 'store'),
    backend: 'cpu',
    logger: pino({ level: 'silent' }),
  });
  const ask = () =>
    late.ask(
      { manifestSha256: '0'.repeat(64), tokenizerSha256: '0'.repeat(64) },
      { kind: 'complete', prompt: 'a', max_tokens: 1, temperature: 0, seed: 1 },
    );
  await expect(ask()).rejects.toThrow(mount);
  await rm(mount);
  await expect(ask()).rejects.toThrow('manifest 0000');
  await late.close();
  await rm(folder, { recursive: true });
});

it('an abort before the start is one too', async () => {
  await expect(complete('a', { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
});
