import { recordMetrics, retireWorker, startReconciler, workerHeartbeat } from '@trainyard/db';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
let worker: ActingWorker;
let words: string;
let tokenizer: string;

beforeAll(async () => {
  api = await startApi();
  worker = await ActingWorker.register(api);
  const records = WORDS.map((text) => ({ text }));
  words = await worker.dataset('words', 'text', records, '?held_out_fraction=0&collected_until=2021-05-06');
  ({ id: tokenizer } = await worker.makeTokenizer(words));
});
afterAll(() => api.close());

const submit = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/runs', { body, headers });
const steer = (id: string, verb: string) => api.call('POST', `/v1/runs/${id}/${verb}`);
const pretrain = (config: object = {}) => ({
  stage: 'pretrain',
  inputs: { datasets: ['words'], tokenizer },
  config: { model: { preset: 'tiny' }, ...config },
});

describe('submitting', () => {
  it('fills in and echoes the configuration, resolves names, and hands the run to the queue', async () => {
    const { status, body } = await submit(pretrain({ optimization: { steps: 7 } }));
    expect(status).toBe(201);
    expect(body).toMatchObject({ state: 'queued', seed: 1, epoch: 0, max_attempts: 10 });
    expect(body.config.optimization).toMatchObject({ steps: 7, batch_size: 8, schedule: 'cosine' });
    expect(body.config.model).toMatchObject({ preset: 'tiny', width: 32, kv_heads: 1 });
    expect(body.inputs).toEqual({ datasets: [{ id: words, name: 'words@1' }], tokenizer });
    await expect.poll(async () => (await api.queue.depth(['pretrain'])).pretrain).toBeGreaterThan(0);
    expect((await api.call('GET', `/v1/runs/${body.id}`)).body).toEqual(body);
    await steer(body.id, 'cancel');
  });

  it('twenty times at once with one Idempotency-Key makes one run', async () => {
    const headers = { 'idempotency-key': 'twenty' };
    const request = { ...pretrain(), name: 'only-one' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(request, headers)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const { body } = await api.call('GET', '/v1/runs?stage=pretrain&state=queued');
    expect(body.data.filter(({ name }: { name: string }) => name === 'only-one').length).toBe(1);
    const other = await submit({ ...request, seed: 2 }, headers);
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict']);
    const stranger = await api.call('POST', '/v1/runs', {
      body: request,
      headers,
      key: await api.keyWith('write'),
    });
    expect(stranger.body.id).not.toBe(answers[0]!.body.id);
  });

  const refused: [string, object, number, string, string][] = [
    ['an unknown option', { config: { colour: 1 } }, 400, 'invalid_config', 'config.colour'],
    [
      'a nested unknown option',
      { config: { optimization: { epochs: 3 } } },
      400,
      'invalid_config',
      'config.optimization.epochs',
    ],
    [
      'a wrong type',
      { config: { optimization: { steps: 'many' } } },
      400,
      'invalid_config',
      'config.optimization.steps',
    ],
    [
      'heads that do not divide the width',
      { config: { model: { preset: 'tiny', heads: 3 } } },
      400,
      'invalid_config',
      'config.model.heads',
    ],
    ['no tokenizer', { inputs: { datasets: ['words'] } }, 400, 'invalid_request', 'inputs.tokenizer'],
    ['no dataset', { inputs: { tokenizer: 'x' } }, 404, 'not_found', 'inputs.tokenizer'],
    ['a missing version', { inputs: { datasets: ['words@9'] } }, 404, 'not_found', 'inputs.datasets[0]'],
    [
      'a missing dataset',
      { inputs: { datasets: ['words', 'nothing'] } },
      404,
      'not_found',
      'inputs.datasets[1]',
    ],
    [
      'an empty split',
      { stage: 'eval', inputs: { datasets: ['words'] }, config: {} },
      400,
      'invalid_request',
      'inputs.datasets[0]',
    ],
    ['an unknown input', { inputs: { corpus: 'words' } }, 400, 'invalid_request', 'inputs.corpus'],
    ['an unknown stage', { stage: 'distil' }, 400, 'invalid_request', 'stage'],
  ];
  it.each(refused)('refuses %s, and keeps nothing', async (_name, change, status, code, param) => {
    const before = await api.db.client.run.count();
    for (const query of ['', '?validate_only=true']) {
      const answer = await api.call('POST', `/v1/runs${query}`, { body: { ...pretrain(), ...change } });
      expect([answer.status, answer.body.code, answer.body.param]).toEqual([status, code, param]);
    }
    expect(await api.db.client.run.count()).toBe(before);
  });

  it('refuses data of another kind', async () => {
    await worker.dataset('questions', 'prompts', [{ prompt: 'Who?' }], '?held_out_fraction=0');
    const { body } = await submit({ ...pretrain(), inputs: { datasets: ['questions'], tokenizer } });
    expect([body.code, body.param]).toEqual(['invalid_request', 'inputs.datasets[0]']);
  });
});

describe('an estimate', () => {
  it('is computed from the shape, and creates nothing', async () => {
    const before = await api.db.client.run.count();
    const { status, body } = await api.call('POST', '/v1/runs?validate_only=true', {
      body: pretrain({ optimization: { steps: 100, batch_size: 4, accumulation: 2 } }),
    });
    expect(status).toBe(200);
    // Tiny: 2 blocks of q 32*32, k and v 32*16 each, o 32*32, three of 32*96 and two norms; a norm; 300 * 32.
    const parameters = 2 * (1024 + 512 + 512 + 1024 + 3 * 3072 + 64) + 32 + 9600;
    const tokens = 100 * 4 * 2 * 64;
    const forward = 2 * parameters + 4 * 2 * 32 * 64;
    expect(body).toMatchObject({
      parameters,
      steps: 100,
      tokens,
      floating_point_operations: 3 * forward * tokens,
      seconds: (3 * forward * tokens) / 100e9,
      assumed_gflops: 100,
    });
    const bytes = WORDS.reduce((sum, text) => sum + JSON.stringify({ text }).length + 1, 0);
    expect(body.epochs).toBeCloseTo(tokens / (bytes / 2.5), 6);
    expect(body.memory_bytes).toBeGreaterThan(16 * parameters);
    expect(body.config.optimization.learning_rate).toBe(0.002);
    expect(await api.db.client.run.count()).toBe(before);
  });

  it('of time comes from what recent runs did', async () => {
    const id = await worker.submit(
      'pretrain',
      { datasets: ['words'], tokenizer },
      { model: { preset: 'tiny' } },
    );
    const { id: checkpoint } = await worker.makeCheckpoint(id, {
      kind: 'base',
      tokenizerId: tokenizer,
      vocabSize: 300,
    });
    await api.db.client.run.update({ where: { id }, data: { progress: { tokens_per_second: 5000 } } });
    const body = pretrain({ optimization: { steps: 10 } });
    const estimate = await api.call('POST', '/v1/runs?validate_only=true', { body });
    expect(estimate.body.assumed_gflops).toBeNull();
    expect(estimate.body.seconds).toBeCloseTo((10 * 8 * 64) / 5000, 9);
    const finetune = {
      stage: 'finetune',
      inputs: { base: checkpoint, datasets: ['chats'] },
      config: { optimization: { steps: 5 } },
    };
    await worker.dataset('chats', 'instruction', [{ instruction: 'a', output: 'b' }], '?held_out_fraction=0');
    const next = await api.call('POST', '/v1/runs?validate_only=true', { body: finetune });
    expect(next.body).toMatchObject({ steps: 5, tokens: 5 * 8 * 64, assumed_gflops: 100 });
    const evaluation = {
      stage: 'eval',
      inputs: { base: checkpoint, datasets: ['words'] },
      config: { split: 'train' },
    };
    const last = await api.call('POST', '/v1/runs?validate_only=true', { body: evaluation });
    expect(last.body).toMatchObject({ steps: null, tokens: WORDS.length * 64, epochs: 1 });
    const wrong = { ...finetune, inputs: { base: checkpoint, datasets: ['words'] } };
    expect((await api.call('POST', '/v1/runs?validate_only=true', { body: wrong })).status).toBe(400);
    const tokenizers = { stage: 'tokenizer', inputs: { datasets: ['words'] } };
    const none = await api.call('POST', '/v1/runs?validate_only=true', { body: tokenizers });
    expect(none.body).toMatchObject({ parameters: null, steps: null, config: { vocab_size: 1024 } });
  });

  it.each([
    ['reward_model', { optimization: { steps: 3, batch_size: 2 } }, 2 * 3 * 2 * 64, 3],
    ['rl', { algorithm: 'dpo', optimization: { steps: 3, batch_size: 2 } }, 2 * 3 * 2 * 64, 4],
  ])('of %s counts both answers of a pair', async (stage, config, tokens, passes) => {
    const id = await worker.submit(
      'pretrain',
      { datasets: ['words'], tokenizer },
      { model: { preset: 'tiny' } },
    );
    const base = await worker.makeCheckpoint(id, {
      kind: 'assistant',
      tokenizerId: tokenizer,
      vocabSize: 300,
    });
    await worker.dataset(
      `pairs-${stage}`,
      'preference',
      [{ prompt: 'a', chosen: 'b', rejected: 'c' }],
      '?held_out_fraction=0',
    );
    const inputs = { base: base.id, datasets: [`pairs-${stage}`] };
    const { body } = await api.call('POST', '/v1/runs?validate_only=true', {
      body: { stage, inputs, config },
    });
    expect(body).toMatchObject({ tokens, epochs: 6 });
    const forward = body.floating_point_operations / tokens / passes;
    expect(forward).toBe(2 * body.parameters + 4 * 2 * 32 * 64);
  });
});

describe('steering', () => {
  it('a waiting run takes effect at once', async () => {
    const id = (await submit(pretrain())).body.id;
    expect((await steer(id, 'pause')).body.state).toBe('paused');
    expect((await steer(id, 'pause')).body.state).toBe('paused');
    expect((await steer(id, 'resume')).body.state).toBe('queued');
    const again = await steer(id, 'resume');
    expect([again.status, again.body.code]).toEqual([409, 'invalid_state']);
    const cancelled = await steer(id, 'cancel');
    expect(cancelled.body).toMatchObject({ state: 'cancelled', termination_reason: 'cancelled_by_user' });
    expect((await steer(id, 'cancel')).status).toBe(200);
    expect((await steer(id, 'pause')).status).toBe(409);
    expect((await steer(id, 'retry')).body).toMatchObject({ state: 'queued', termination_reason: null });
    expect((await steer(id, 'retry')).status).toBe(409);
    await steer(id, 'cancel');
  });

  it('a running one waits for its worker, and what ended can be tried again', async () => {
    const id = (await submit(pretrain())).body.id;
    const first = await worker.claim(id);
    expect((await steer(id, 'pause')).body.state).toBe('pausing');
    await worker.end(first, { kind: 'paused' });
    expect((await api.call('GET', `/v1/runs/${id}`)).body.state).toBe('paused');
    await steer(id, 'resume');
    const second = await worker.claim(id);
    await worker.end(second, {
      kind: 'failed',
      reason: 'user_error',
      error: { code: 'invalid_data', message: 'No.' },
    });
    const failed = (await api.call('GET', `/v1/runs/${id}`)).body;
    expect(failed).toMatchObject({
      state: 'failed',
      termination_reason: 'user_error',
      error: { message: 'No.' },
    });
    expect((await steer(id, 'retry')).body).toMatchObject({ state: 'queued', error: null, attempts: 2 });
    const third = await worker.claim(id);
    expect((await steer(id, 'cancel')).body.state).toBe('cancelling');
    await worker.end(third, { kind: 'cancelled' });
    const attempts = (await api.call('GET', `/v1/runs/${id}/attempts`)).body.data;
    expect(attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'paused',
      'failed',
      'cancelled',
    ]);
    const events = (await api.call('GET', `/v1/runs/${id}/events?limit=3`)).body;
    expect(events.has_more).toBe(true);
    expect(events.data.map(({ data }: { data: { event: string } }) => data.event)).toEqual([
      'submit',
      'claim',
      'start',
    ]);
    const rest = (await api.call('GET', `/v1/runs/${id}/events?after=${events.data[2].id}`)).body;
    expect(rest.data[0].data.event).toBe('pause');
    expect(rest.data.at(-1).data).toMatchObject({ from: 'cancelling', to: 'cancelled' });
  });
});

describe('metrics', () => {
  it('are one curve over the attempts, one attempt alone, or fewer points', async () => {
    const id = (await submit(pretrain())).body.id;
    const record = async (from: number, to: number, loss: number) => {
      const run = await worker.claim(id);
      const rows = Array.from({ length: to - from + 1 }, (_, i) => ({
        step: from + i,
        at: new Date(),
        values: { loss },
      }));
      await api.db.transaction((tx) => recordMetrics(tx, run.fence, rows));
      return run;
    };
    await worker.end(await record(1, 60, 3), { kind: 'handed_back' });
    await worker.end(await record(1, 100, 2), { kind: 'handed_back' });
    const metrics = async (query: string) => (await api.call('GET', `/v1/runs/${id}/metrics${query}`)).body;
    const curve = await metrics('');
    expect([curve.total, curve.downsampled, curve.data[0].values.loss]).toEqual([100, false, 2]);
    const older = await metrics('?epoch=1');
    expect([older.total, older.data.at(-1).values.loss]).toEqual([60, 3]);
    const few = await metrics('?max_points=10');
    expect([few.total, few.downsampled, few.data[0].step, few.data.at(-1).step]).toEqual([100, true, 1, 100]);
    expect(few.data.length).toBeLessThanOrEqual(11);
  });
});

describe('reconciling', () => {
  it('brings a run of a dead worker back into the queue', async () => {
    const id = (await submit(pretrain())).body.id;
    await worker.claim(id);
    await api.db.client.run.update({ where: { id }, data: { leaseExpiresAt: new Date(0) } });
    const delivered: string[] = [];
    const reconciler = startReconciler(
      api.db,
      {
        deliver: async (deliveries) => {
          delivered.push(...deliveries.map(({ runId }) => runId));
        },
        storageRoom: async () => undefined,
        onError: (error) => api.app.log.error(error),
      },
      0.05,
    );
    await expect.poll(() => delivered).toContain(id);
    await reconciler.stop();
    const { body } = await api.call('GET', `/v1/runs/${id}`);
    expect(body).toMatchObject({ state: 'recovering', worker_id: null });
    await steer(id, 'cancel');
  });
});

describe('workers', () => {
  it('are shown as they are', async () => {
    const id = (await submit(pretrain())).body.id;
    const run = await worker.claim(id);
    await workerHeartbeat(api.db, worker.id, false);
    const busy = (await api.call('GET', `/v1/workers/${worker.id}`)).body;
    expect(busy).toMatchObject({ state: 'busy', current_run_id: id, backend: 'cpu', memory_bytes: 2 ** 33 });
    await worker.end(run, { kind: 'handed_back' });
    await workerHeartbeat(api.db, worker.id, true);
    expect((await api.call('GET', `/v1/workers/${worker.id}`)).body.state).toBe('draining');
    const lost = await ActingWorker.register(api);
    await api.db.client.worker.update({ where: { id: lost.id }, data: { heartbeatAt: new Date(0) } });
    const gone = await ActingWorker.register(api);
    await retireWorker(api.db, gone.id);
    const states = async (query: string) =>
      (await api.call('GET', `/v1/workers${query}`)).body.data.map(({ state }: { state: string }) => state);
    expect((await states('')).sort()).toEqual(['draining', 'lost', 'stopped']);
    expect(await states('?live=true')).toEqual(['draining']);
    await steer(id, 'cancel');
  });
});
