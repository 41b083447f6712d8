import {
  forward,
  fromHost,
  generate,
  infillPrompt,
  loadParameters,
  lookup,
  type Parameters,
  toModelConfig,
} from '@trainyard/engine';
import { loadBackend } from '@trainyard/tensor';
import { renderChat, type Tokenizer } from '@trainyard/tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type Answer, type ApiUnderTest, startApi } from './api-under-test.ts';

type Made = Awaited<ReturnType<ActingWorker['makeCheckpoint']>>;
const KINDS = ['base', 'assistant', 'masked', 'reward', 'filler'] as const;
let api: ApiUnderTest;
let tokenizer: Tokenizer;
let origin: string;
const checkpoints = {} as Record<(typeof KINDS)[number], Made & { params: Parameters }>;

beforeAll(async () => {
  await loadBackend({ prefer: 'cpu' });
  api = await startApi();
  const worker = await ActingWorker.register(api);
  await worker.dataset(
    'words',
    'text',
    WORDS.map((text) => ({ text })),
    '?held_out_fraction=0',
  );
  const made = await worker.makeTokenizer('words');
  tokenizer = made.tokenizer;
  for (const [seed, name] of KINDS.entries()) {
    const runId = await worker.submit('pretrain', { datasets: ['words'], tokenizer: made.id });
    const checkpoint = await worker.makeCheckpoint(runId, {
      kind: name === 'filler' ? 'base' : name,
      tokenizerId: made.id,
      vocabSize: tokenizer.vocabSize,
      objective: name === 'masked' ? 'masked' : name === 'filler' ? 'fill_in_the_middle' : 'next_word',
      seed,
    });
    checkpoints[name] = { ...checkpoint, params: loadParameters(checkpoint.weights) };
  }
  origin = await api.app.listen({ port: 0 });
});
afterAll(() => api.close());

const ask = (name: (typeof KINDS)[number], verb: string, body: object): Promise<Answer> =>
  api.call('POST', `/v1/checkpoints/${checkpoints[name].id}/${verb}`, { body });

/** The `count` likeliest tokens at a position: the hidden state there, times the tied embedding, as plain arithmetic. */
function likeliest(name: (typeof KINDS)[number], tokens: number[], position: number, count: number) {
  const { params, model, weights } = checkpoints[name];
  const input = { dtype: 'int32' as const, shape: [1, tokens.length], data: Int32Array.from(tokens) };
  const output = forward(lookup(params), toModelConfig(model), fromHost(input) as never);
  const hidden = output.dataSync() as Float32Array;
  const state = hidden.slice(position * model.width, (position + 1) * model.width);
  const embedding = weights['model.embed_tokens.weight']!.data;
  const scores = Array.from({ length: model.vocab_size }, (_, token) =>
    state.reduce((sum, value, i) => sum + value * embedding[token * model.width + i]!, 0),
  );
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  return scores
    .map((score, token) => ({ token, probability: Math.exp(score) / total }))
    .sort((x, y) => y.probability - x.probability)
    .slice(0, count);
}

function expectCandidates(
  found: { token: number; text: string; probability: number }[],
  expected: { token: number; probability: number }[],
): void {
  expect(found.map(({ token }) => token)).toEqual(expected.map(({ token }) => token));
  found.forEach(({ probability, token, text }, i) => {
    expect(probability).toBeCloseTo(expected[i]!.probability, 4);
    expect(text).toBe(tokenizer.decode([token], { keepSpecial: true }));
  });
}

const { endOfText, mask } = { endOfText: 0, mask: 6 };

describe('predict', () => {
  it('gives the distribution of the next token', async () => {
    const text = 'the lazy';
    const { status, body } = await ask('base', 'predict', { text, top_k: 5 });
    expect(status, JSON.stringify(body)).toBe(200);
    const tokens = [endOfText, ...tokenizer.encode(text)];
    expect(body.positions.length).toBe(1);
    expect(body.positions[0].blank).toBeNull();
    expectCandidates(body.positions[0].candidates, likeliest('base', tokens, tokens.length - 1, 5));
  });

  it('gives the distribution of each blank of a masked model', async () => {
    const { body } = await ask('masked', 'predict', { text: 'the ___ dog sees ___ tree', top_k: 4 });
    const parts = ['the', ' dog sees', ' tree'].map((part) => [...tokenizer.encode(part)]);
    const tokens = [...parts[0]!, mask, ...parts[1]!, mask, ...parts[2]!];
    const places = tokens.flatMap((token, i) => (token === mask ? [i] : []));
    expect(body.positions.map(({ blank }: { blank: number }) => blank)).toEqual([0, 1]);
    places.forEach((place, i) => {
      expectCandidates(body.positions[i].candidates, likeliest('masked', tokens, place, 4));
    });
    const none = await ask('masked', 'predict', { text: 'the dog' });
    expect([none.status, none.body.param]).toEqual([400, 'text']);
  });

  it('lets a model that fills in do so', async () => {
    const { body } = await ask('filler', 'predict', { text: 'the lazy ___ sleeps', top_k: 3 });
    const [before, after] = [tokenizer.encode('the lazy'), tokenizer.encode(' sleeps')];
    const tokens = [...infillPrompt(before, after, tokenizer.special)];
    expect(body.positions[0].blank).toBe(0);
    expectCandidates(body.positions[0].candidates, likeliest('filler', tokens, tokens.length - 1, 3));
    expect((await ask('filler', 'predict', { text: 'a ___ b ___' })).status).toBe(400);
    expect((await ask('filler', 'predict', { text: 'the lazy' })).body.positions[0].blank).toBeNull();
  });
});

async function expected(
  name: 'base' | 'assistant',
  prompt: Int32Array,
  maxNewTokens: number,
  seed = 1,
  temperature = 0,
) {
  const { params, model } = checkpoints[name];
  const [completion] = await generate({
    params,
    config: toModelConfig(model),
    prompts: [prompt],
    maxNewTokens,
    temperature,
    seed,
    stopTokens: [tokenizer.special.endOfText, tokenizer.special.end],
  });
  return {
    text: tokenizer.decode(completion!.tokens),
    finish_reason: completion!.stopped ? 'stop' : 'length',
    prompt_tokens: prompt.length,
    completion_tokens: completion!.tokens.length,
  };
}

const messages = [{ role: 'user' as const, content: 'who sleeps?' }];

describe('writing', () => {
  it('continues a text as the model does', async () => {
    const prompt = Int32Array.of(endOfText, ...tokenizer.encode('the fox'));
    const { body } = await ask('base', 'complete', { prompt: 'the fox', max_tokens: 12 });
    expect(body).toEqual(await expected('base', prompt, 12));
    const sampled = { prompt: 'the fox', max_tokens: 12, temperature: 1.5, seed: 7 };
    expect((await ask('base', 'complete', sampled)).body).toEqual(await expected('base', prompt, 12, 7, 1.5));
  });

  it('answers a conversation as the model does', async () => {
    const { tokens } = renderChat(tokenizer, messages, { generationPrompt: true });
    const { body } = await ask('assistant', 'chat', { messages, max_tokens: 10 });
    expect(body).toEqual(await expected('assistant', tokens, 10));
  });

  it('streams the same text, piece by piece', async () => {
    const request = { messages, max_tokens: 20, temperature: 1, seed: 3 };
    const whole = (await ask('assistant', 'chat', request)).body;
    const response = await fetch(`${origin}/v1/checkpoints/${checkpoints.assistant.id}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, stream: true }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = (await response.text())
      .split('\n\n')
      .filter(Boolean)
      .map((block) => JSON.parse(block.replace(/^data: /, '')));
    const { text, ...end } = whole;
    expect(
      events
        .slice(0, -1)
        .map((event) => event.text)
        .join(''),
    ).toBe(text);
    expect(events.length).toBeGreaterThan(5);
    expect(events.at(-1)).toEqual(end);
  });

  it('takes an alias for the checkpoint', async () => {
    await api.call('PUT', '/v1/aliases/a@live', { body: { checkpoint_id: checkpoints.assistant.id } });
    const body = { messages, max_tokens: 5 };
    const answer = await api.call('POST', '/v1/checkpoints/a@live/chat', { body });
    expect(answer.body).toEqual((await ask('assistant', 'chat', body)).body);
  });
});

describe('what a model cannot do', () => {
  const cases: [string, (typeof KINDS)[number], string, object, number, string, string][] = [
    ['a masked model chats not', 'masked', 'chat', { messages }, 422, 'incompatible_checkpoint', 'masked'],
    [
      'a masked model continues not',
      'masked',
      'complete',
      { prompt: 'a' },
      422,
      'incompatible_checkpoint',
      'masked',
    ],
    ['a reward model chats not', 'reward', 'chat', { messages }, 422, 'incompatible_checkpoint', 'reward'],
    [
      'a reward model predicts not',
      'reward',
      'predict',
      { text: 'a' },
      422,
      'incompatible_checkpoint',
      'reward',
    ],
    [
      'a long prompt',
      'base',
      'complete',
      { prompt: 'x'.repeat(100) },
      400,
      'invalid_request',
      'context holds 64',
    ],
    [
      'too many tokens',
      'base',
      'complete',
      { prompt: 'a', max_tokens: 63 },
      400,
      'invalid_request',
      'at most 62',
    ],
    ['a long text', 'base', 'predict', { text: 'x'.repeat(100) }, 400, 'invalid_request', 'shorten it'],
    [
      'the assistant last',
      'assistant',
      'chat',
      { messages: [...messages, { role: 'assistant', content: 'me' }] },
      400,
      'invalid_data',
      'messages[1].role',
    ],
    [
      'streaming a long prompt',
      'base',
      'complete',
      { prompt: 'x'.repeat(100), stream: true },
      400,
      'invalid_request',
      'shorten',
    ],
  ];
  it.each(cases)('%s', async (_name, kind, verb, body, status, code, words) => {
    const answer = await ask(kind, verb, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.detail).toContain(words);
  });

  it('more than the queue of requests holds is refused, the rest is done', async () => {
    const body = { prompt: 'the', max_tokens: 60 };
    const answers = await Promise.all(Array.from({ length: 7 }, () => ask('base', 'complete', body)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 200, 200, 200, 503, 503, 503]);
    const refused = answers.find(({ status }) => status === 503)!;
    expect([refused.body.code, refused.headers['retry-after']]).toEqual(['unavailable', '1']);
  });

  it('a client that goes away ends the work for it', async () => {
    const url = `${origin}/v1/checkpoints/${checkpoints.base.id}/complete`;
    const leaving = new AbortController();
    const headers = { authorization: `Bearer ${api.key}`, 'content-type': 'application/json' };
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify({ prompt: 'a', max_tokens: 60, temperature: 1, stream: true }),
      signal: leaving.signal,
    });
    await response.body!.getReader().read();
    leaving.abort();
    const { status } = await ask('base', 'complete', { prompt: 'the', max_tokens: 2 });
    expect(status).toBe(200);
  });
});

describe('feedback', () => {
  const compare = (seed: number, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/comparisons', {
      body: { checkpoint: checkpoints.assistant.id, messages, max_tokens: 8, seed },
      headers,
    });
  const judge = (id: string, verdict: string) =>
    api.call('POST', `/v1/comparisons/${id}/judgement`, { body: { verdict } });

  it('goes from two answers over judgements to a preference dataset with its lineage', async () => {
    const { tokens } = renderChat(tokenizer, messages, { generationPrompt: true });
    const first = await compare(1);
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      state: 'waiting',
      verdict: null,
      answer_a: (await expected('assistant', tokens, 8, 1, 1)).text.replaceAll('\0', '\ufffd'),
      answer_b: (await expected('assistant', tokens, 8, 2, 1)).text.replaceAll('\0', '\ufffd'),
    });
    const [second, third] = [(await compare(11)).body, (await compare(21)).body];
    const waiting = await api.call(
      'GET',
      `/v1/comparisons?state=waiting&checkpoint=${checkpoints.assistant.id}`,
    );
    expect(waiting.body.data.length).toBe(3);
    const judged = await judge(first.body.id, 'b');
    expect(judged.body).toMatchObject({ state: 'judged', verdict: 'b', judge: 'admin' });
    const again = await judge(first.body.id, 'a');
    expect([again.status, again.body.code]).toEqual([409, 'invalid_state']);
    await judge(second.id, 'a');
    await judge(third.id, 'tie');
    expect((await api.call('GET', '/v1/comparisons?state=waiting')).body.data).toEqual([]);

    const collect = (body: object) => api.call('POST', '/v1/feedback/collect', { body });
    const version = await collect({ dataset: 'liked', held_out_fraction: 0 });
    expect(version.status, JSON.stringify(version.body)).toBe(201);
    expect(version.body).toMatchObject({ dataset_name: 'liked', kind: 'preference', version: 1 });
    const { records } = (await api.call('GET', `/v1/dataset-versions/${version.body.id}/preview`)).body;
    expect(records).toEqual([
      { prompt: messages, chosen: first.body.answer_b, rejected: first.body.answer_a },
      { prompt: messages, chosen: second.answer_a, rejected: second.answer_b },
    ]);
    const lineage = (await api.call('GET', `/v1/lineage/dataset_version/${version.body.id}?direction=up`))
      .body;
    const ids = lineage.nodes.map(({ id }: { id: string }) => id);
    expect(ids).toEqual(expect.arrayContaining([first.body.id, second.id, checkpoints.assistant.id]));
    expect(ids).not.toContain(third.id);
    expect((await collect({ dataset: 'liked', held_out_fraction: 0 })).body.id).toBe(version.body.id);
    const wrong = await collect({ dataset: 'words' });
    expect([wrong.status, wrong.body.param]).toEqual([409, 'dataset']);
    expect((await collect({ dataset: 'other', checkpoint: checkpoints.base.id })).status).toBe(400);
  });

  it('is asked for once for an Idempotency-Key, and never of a model that cannot answer', async () => {
    const headers = { 'idempotency-key': 'compare-1' };
    const [first, second] = [await compare(5, headers), await compare(5, headers)];
    expect(second.body).toEqual(first.body);
    const body = { checkpoint: checkpoints.masked.id, messages };
    expect((await api.call('POST', '/v1/comparisons', { body })).status).toBe(422);
  });
});
