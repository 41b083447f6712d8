import { afterAll, beforeAll, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
let worker: ActingWorker;

beforeAll(async () => {
  api = await startApi();
  worker = await ActingWorker.register(api);
  await worker.dataset(
    'words',
    'text',
    WORDS.map((text) => ({ text })),
    '?held_out_fraction=0',
  );
  await worker.dataset(
    'questions',
    'instruction',
    [{ instruction: 'Who?', output: 'Me.' }],
    '?held_out_fraction=0',
  );
});
afterAll(() => api.close());

const stages = () => [
  { name: 'tokens', stage: 'tokenizer', inputs: { datasets: ['words'] }, config: { vocab_size: 300 } },
  {
    name: 'base',
    stage: 'pretrain',
    inputs: { datasets: ['words'], tokenizer: { stage: 'tokens' } },
    config: { model: { preset: 'tiny' } },
  },
  { name: 'assistant', stage: 'finetune', inputs: { datasets: ['questions'], base: { stage: 'base' } } },
];
const submit = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/pipelines', { body, headers });
const get = async (id: string) => (await api.call('GET', `/v1/pipelines/${id}`)).body;
const states = (pipeline: { runs: { state: string }[] }) => pipeline.runs.map(({ state }) => state);

it('goes from stage to stage as each succeeds', async () => {
  const { status, body } = await submit({ name: 'whole', stages: stages() });
  expect(status).toBe(201);
  expect([body.state, states(body)]).toEqual(['running', ['queued', 'waiting', 'waiting']]);
  expect(body.runs.map(({ name }: { name: string }) => name)).toEqual([
    'whole.tokens',
    'whole.base',
    'whole.assistant',
  ]);
  expect((await api.call('GET', `/v1/runs?pipeline=${body.id}`)).body.data.length).toBe(3);

  const [tokens, base] = body.runs;
  const run = await worker.claim(tokens.id);
  await worker.end(run, {
    kind: 'failed',
    reason: 'infrastructure',
    error: { code: 'internal', message: 'Lost.' },
  });
  const broken = await get(body.id);
  expect([broken.state, states(broken)]).toEqual(['failed', ['failed', 'cancelled', 'cancelled']]);
  expect(broken.runs[1]).toMatchObject({
    termination_reason: 'parent_failed',
    state_reason: 'Stage tokens failed.',
  });

  await api.call('POST', `/v1/runs/${tokens.id}/retry`);
  expect(states(await get(body.id))).toEqual(['queued', 'waiting', 'waiting']);
  const { id: tokenizer } = await worker.makeTokenizer('words'); // of another run, to have one
  const again = await worker.claim(tokens.id);
  await api.db.client.run.update({ where: { id: tokens.id }, data: { tokenizerId: tokenizer } });
  await worker.end(again, { kind: 'succeeded', result: {} });
  const moved = await get(body.id);
  expect(states(moved)).toEqual(['succeeded', 'queued', 'waiting']);
  expect(moved.runs[1].inputs.tokenizer).toBe(tokenizer);

  const made = await worker.makeCheckpoint(base.id, { kind: 'base', tokenizerId: tokenizer, vocabSize: 300 });
  const last = await get(body.id);
  expect(states(last)).toEqual(['succeeded', 'succeeded', 'queued']);
  expect(last.runs[2].inputs.base).toBe(made.id);
});

it('is cancelled as a whole', async () => {
  const { body } = await submit({ stages: stages() });
  const cancelled = await api.call('POST', `/v1/pipelines/${body.id}/cancel`);
  expect([cancelled.body.state, states(cancelled.body)]).toEqual([
    'cancelled',
    ['cancelled', 'cancelled', 'cancelled'],
  ]);
  expect((await api.call('POST', `/v1/pipelines/${body.id}/cancel`)).status).toBe(200);
});

it('is submitted once for an Idempotency-Key', async () => {
  const headers = { 'idempotency-key': 'pipeline-1' };
  const first = await submit({ stages: stages() }, headers);
  const second = await submit({ stages: stages() }, headers);
  expect(second.body).toEqual(first.body);
  const { body } = await api.call('GET', '/v1/pipelines?limit=1');
  expect([body.data[0].id, body.has_more]).toEqual([first.body.id, true]);
  const next = await api.call('GET', `/v1/pipelines?after=${first.body.id}`);
  expect(next.body.data.map(({ id }: { id: string }) => id)).not.toContain(first.body.id);
});

it('is refused as a whole, naming the stage', async () => {
  const before = await api.db.client.pipeline.count();
  const [tokens, base, assistant] = stages() as [object, object, object];
  const cases: [object[], number, string, string][] = [
    [[], 400, 'invalid_request', 'stages'],
    [[tokens, tokens], 400, 'invalid_request', 'stages[1].name'],
    [[base], 400, 'invalid_request', 'stages[0].inputs.tokenizer'],
    [
      [tokens, base, { ...assistant, inputs: { datasets: ['questions'], base: { stage: 'bass' } } }],
      400,
      'invalid_request',
      'stages[2].inputs.base',
    ],
    [
      [tokens, { ...assistant, inputs: { datasets: ['questions'], base: { stage: 'tokens' } } }],
      400,
      'invalid_request',
      'stages[1].inputs.base',
    ],
    [
      [tokens, { ...base, config: { model: { preset: 'huge' } } }],
      400,
      'invalid_config',
      'stages[1].config.model.preset',
    ],
    [
      [tokens, { ...base, inputs: { datasets: ['nothing'], tokenizer: { stage: 'tokens' } } }],
      404,
      'not_found',
      'stages[1].inputs.datasets[0]',
    ],
    [
      [{ ...tokens, inputs: { datasets: ['words'], base: { step: 'x' } } }],
      400,
      'invalid_request',
      'stages[0].inputs.base',
    ],
    [[{ ...tokens, colour: 1 }], 400, 'invalid_request', 'stages[0].colour'],
    [
      [tokens, base, { ...assistant, stage: 'reward_model' }],
      400,
      'invalid_request',
      'stages[2].inputs.datasets[0]',
    ],
  ];
  for (const [list, status, code, param] of cases) {
    const { body } = await submit({ stages: list });
    expect([body.status, body.code, body.param]).toEqual([status, code, param]);
  }
  expect(await api.db.client.pipeline.count()).toBe(before);
});
