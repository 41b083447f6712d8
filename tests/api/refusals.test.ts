import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiUnderTest, type Request, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const nobody = randomUUID();
const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
const run = { stage: 'tokenizer', inputs: {} };

describe('what does not fit is refused with a problem that names it', () => {
  const cases: [string, 'GET' | 'POST' | 'PUT' | 'DELETE', string, Request, number, string, string?][] = [
    [
      'unknown field',
      'POST',
      '/v1/datasets',
      { body: { name: 'a', kind: 'text', colour: 1 } },
      400,
      'invalid_request',
      'colour',
    ],
    ['missing field', 'POST', '/v1/datasets', { body: { kind: 'text' } }, 400, 'invalid_request', 'name'],
    [
      'wrong type, not coerced',
      'POST',
      '/v1/datasets',
      { body: { name: 5, kind: 'text' } },
      400,
      'invalid_request',
      'name',
    ],
    [
      'number as text in a body',
      'POST',
      '/v1/runs',
      { body: { ...run, seed: '1' } },
      400,
      'invalid_request',
      'seed',
    ],
    [
      'not one of',
      'POST',
      '/v1/datasets',
      { body: { name: 'a', kind: 'video' } },
      400,
      'invalid_request',
      'kind',
    ],
    [
      'bad name',
      'POST',
      '/v1/datasets',
      { body: { name: '../a', kind: 'text' } },
      400,
      'invalid_request',
      'name',
    ],
    ['no body', 'POST', '/v1/datasets', {}, 400, 'invalid_request'],
    ['a list for a body', 'POST', '/v1/datasets', { body: [] }, 400, 'invalid_request'],
    ['malformed JSON', 'POST', '/v1/datasets', { body: '{"name": ' }, 400, 'invalid_request'],
    [
      'JSON that is not UTF-8',
      'POST',
      '/v1/datasets',
      { body: Buffer.from([0x22, 0xff, 0x22]) },
      400,
      'invalid_request',
    ],
    [
      'JSON too deep',
      'POST',
      '/v1/runs',
      { body: `{"stage":"tokenizer","inputs":{},"config":${deep}}` },
      400,
      'invalid_request',
    ],
    ['__proto__', 'POST', '/v1/datasets', { body: '{"__proto__": {"name": "a"}}' }, 400, 'invalid_request'],
    [
      'NUL in a text',
      'POST',
      '/v1/datasets',
      { body: { name: 'a', kind: 'text', licence: 'a\0b' } },
      400,
      'invalid_request',
      'licence',
    ],
    [
      'half a surrogate pair',
      'POST',
      '/v1/runs',
      { body: { ...run, config: { x: ['\ud800'] } } },
      400,
      'invalid_request',
      'config.x[0]',
    ],
    [
      'body too large',
      'POST',
      '/v1/datasets',
      { body: `"${'x'.repeat(9 * 2 ** 20)}"` },
      413,
      'payload_too_large',
    ],
    [
      'text for JSON',
      'POST',
      '/v1/datasets',
      { body: '{}', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'unknown content type',
      'POST',
      '/v1/datasets',
      { body: '{}', headers: { 'content-type': 'image/png' } },
      415,
      'unsupported_media_type',
    ],
    [
      'compressed JSON',
      'POST',
      '/v1/datasets',
      { body: '{}', headers: { 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
    ],
    ['unknown query parameter', 'GET', '/v1/runs?colour=red', {}, 400, 'invalid_request', 'colour'],
    ['query of a wrong type', 'GET', '/v1/runs?limit=many', {}, 400, 'invalid_request', 'limit'],
    ['limit out of range', 'GET', '/v1/runs?limit=201', {}, 400, 'invalid_request', 'limit'],
    ['unknown state', 'GET', '/v1/runs?state=flying', {}, 400, 'invalid_request', 'state'],
    ['bad cursor', 'GET', '/v1/runs?after=yesterday', {}, 400, 'invalid_request', 'after'],
    ['NUL in the address', 'GET', '/v1/datasets?name=a%00b', {}, 400, 'invalid_request', 'url'],
    ['broken address', 'GET', '/v1/runs/%zz', {}, 400, 'invalid_request'],
    ['id that is none', 'GET', '/v1/runs/seven', {}, 400, 'invalid_request', 'id'],
    [
      'bad Idempotency-Key',
      'POST',
      '/v1/datasets',
      { body: { name: 'a', kind: 'text' }, headers: { 'idempotency-key': 'a b' } },
      400,
      'invalid_request',
      'Idempotency-Key',
    ],
    ['unknown path', 'GET', '/v1/datesets', {}, 404, 'not_found'],
    ['unknown method', 'DELETE', '/v1/runs', {}, 405, 'method_not_allowed'],
    ['unknown lineage type', 'GET', `/v1/lineage/thing/${nobody}`, {}, 400, 'invalid_request', 'type'],
    [
      'unknown direction',
      'GET',
      `/v1/lineage/run/${nobody}?direction=left`,
      {},
      400,
      'invalid_request',
      'direction',
    ],
    ['no such lineage', 'GET', `/v1/lineage/run/${nobody}`, {}, 404, 'not_found'],
    [
      'alias without @',
      'PUT',
      '/v1/aliases/production',
      { body: { checkpoint_id: nobody } },
      400,
      'invalid_request',
      'name',
    ],
    [
      'alias of nothing',
      'PUT',
      '/v1/aliases/a@production',
      { body: { checkpoint_id: nobody } },
      404,
      'not_found',
      'checkpoint_id',
    ],
    ['no such alias', 'DELETE', '/v1/aliases/a@production', {}, 404, 'not_found'],
    ['no such checkpoint', 'GET', `/v1/checkpoints/${nobody}`, {}, 404, 'not_found', 'id'],
    [
      'no checkpoint of that alias',
      'POST',
      '/v1/checkpoints/a@b/chat',
      { body: { messages: [{ role: 'user', content: 'x' }] } },
      404,
      'not_found',
      'id',
    ],
    [
      'no messages',
      'POST',
      '/v1/checkpoints/a@b/chat',
      { body: { messages: [] } },
      400,
      'invalid_request',
      'messages',
    ],
    [
      'unknown role',
      'POST',
      '/v1/checkpoints/a@b/chat',
      { body: { messages: [{ role: 'tool', content: 'x' }] } },
      400,
      'invalid_request',
      'messages[0].role',
    ],
    [
      'unknown scope',
      'POST',
      '/v1/api-keys',
      { body: { name: 'a', scopes: ['root'] } },
      400,
      'invalid_request',
      'scopes[0]',
    ],
    [
      'nothing to collect',
      'POST',
      '/v1/feedback/collect',
      { body: { dataset: 'liked' } },
      400,
      'invalid_request',
    ],
    [
      'a comparison by nobody',
      'POST',
      '/v1/comparisons',
      { body: { checkpoint: 'a@b', messages: [{ role: 'user', content: 'x' }] } },
      404,
      'not_found',
    ],
    [
      'an unknown verdict',
      'POST',
      `/v1/comparisons/${nobody}/judgement`,
      { body: { verdict: 'c' } },
      400,
      'invalid_request',
      'verdict',
    ],
  ];
  it.each(cases)('%s', async (_name, method, url, request, status, code, param) => {
    const answer = await api.call(method, url, request);
    expect(answer.body).toMatchObject({ status, code, request_id: answer.headers['x-request-id'] });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.body.detail.length).toBeGreaterThan(10);
    if (param) expect(answer.body.param).toBe(param);
  });

  const single = [
    'datasets',
    'dataset-versions',
    'tokenizers',
    'runs',
    'pipelines',
    'checkpoints',
    'workers',
    'comparisons',
  ];
  it.each(single)('an unknown one of %s', async (resource) => {
    const { status, body } = await api.call('GET', `/v1/${resource}/${nobody}`);
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  const below = [
    ['GET', `/v1/datasets/${nobody}/versions`],
    ['GET', `/v1/dataset-versions/${nobody}/preview`],
    ...['cancel', 'pause', 'resume', 'retry'].map((verb) => ['POST', `/v1/runs/${nobody}/${verb}`]),
    ...['events', 'metrics', 'attempts', 'stream'].map((part) => ['GET', `/v1/runs/${nobody}/${part}`]),
    ['POST', `/v1/pipelines/${nobody}/cancel`],
    ['GET', `/v1/checkpoints/${nobody}/files`],
    ['GET', `/v1/checkpoints/${nobody}/files/model.safetensors`],
    ['DELETE', `/v1/api-keys/${nobody}`],
  ] as ['GET' | 'POST' | 'DELETE', string][];
  it.each(below)('%s %s of nothing', async (method, url) => {
    expect((await api.call(method, url)).status).toBe(404);
  });
});

describe('access', () => {
  it('needs a key on every route under /v1, before anything else is looked at', async () => {
    const paths = Object.entries(api.app.swagger().paths as Record<string, object>);
    for (const [path, methods] of paths) {
      if (!path.startsWith('/v1/')) continue;
      for (const method of Object.keys(methods)) {
        const url = path.replaceAll(/\{\w+\}/g, 'x');
        const answer = await api.call(method.toUpperCase() as 'GET', url, { key: null });
        expect([method, path, answer.status]).toEqual([method, path, 401]);
        expect(answer.headers['www-authenticate']).toBe('Bearer');
      }
    }
  });

  it('refuses a key that nobody made', async () => {
    expect((await api.call('GET', '/v1/me', { key: 'ty_nobody_made_this_key' })).status).toBe(401);
    expect((await api.call('GET', '/v1/me', { key: '' })).status).toBe(401);
    const basic = await api.call('GET', '/v1/me', { key: null, headers: { authorization: 'Basic YTpi' } });
    expect(basic.status).toBe(401);
  });

  const rights: ['GET' | 'POST' | 'PUT' | 'DELETE', string, string][] = [
    ['GET', '/v1/runs', 'read'],
    ['GET', '/v1/workers', 'read'],
    ['POST', '/v1/datasets', 'write'],
    ['POST', '/v1/runs', 'write'],
    ['POST', '/v1/pipelines', 'write'],
    ['PUT', `/v1/checkpoints/${nobody}/tags`, 'write'],
    ['PUT', '/v1/aliases/a@b', 'write'],
    ['POST', `/v1/checkpoints/${nobody}/chat`, 'infer'],
    ['POST', `/v1/tokenizers/${nobody}/encode`, 'infer'],
    ['POST', '/v1/comparisons', 'feedback'],
    ['POST', `/v1/comparisons/${nobody}/judgement`, 'feedback'],
    ['GET', '/v1/api-keys', 'admin'],
    ['POST', '/v1/api-keys', 'admin'],
  ];
  it.each(rights)('%s %s is for the scope %s alone, and for admin', async (method, url, scope) => {
    for (const own of ['read', 'write', 'infer', 'feedback', 'admin'] as const) {
      const { status, body } = await api.call(method, url, { key: await api.keyWith(own), headers: {} });
      const allowed = own === scope || own === 'admin';
      expect(status === 403, `${own}: ${JSON.stringify(body)}`).toBe(!allowed);
      if (!allowed) expect(body.detail).toContain(`scope ${scope}`);
    }
  });

  it('tells a key about itself, whatever its scopes', async () => {
    const { status, body } = await api.call('GET', '/v1/me', { key: await api.keyWith('feedback') });
    expect(status).toBe(200);
    expect(body.scopes).toEqual(['feedback']);
    expect(body).not.toHaveProperty('key');
    expect(body).not.toHaveProperty('hash');
  });
});

describe('what is open', () => {
  it('says that it lives and is ready', async () => {
    expect((await api.call('GET', '/livez', { key: null })).body).toEqual({ status: 'ok' });
    expect((await api.call('GET', '/readyz', { key: null })).body).toEqual({
      status: 'ready',
      checks: { database: 'ok', queue: 'ok' },
    });
  });

  it('counts requests and runs for Prometheus', async () => {
    const { body, headers } = await api.call('GET', '/metrics', { key: null });
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toMatch(
      /trainyard_http_request_duration_seconds_count\{method="GET",route="\/livez",status="200"\} \d/,
    );
    expect(body).toContain('trainyard_queue_depth{stage="pretrain"} 0');
    expect(body).toContain('process_cpu_seconds_total');
  });

  it('serves the reference page and its assets itself', async () => {
    const page = await api.call('GET', '/docs/', { key: null });
    expect(page.status).toBe(200);
    expect(page.body).not.toMatch(/(src|href)="https?:/);
    expect((await api.call('GET', '/docs/static/swagger-ui-bundle.js', { key: null })).status).toBe(200);
  });
});

describe('failures inside', () => {
  it('are told apart from mistakes, and keep their inside to themselves', async () => {
    const broken = api.db.client.run.findUnique;
    const secret = 'postgres://user:hunter2@db/x ty_abcdefghijkl';
    api.db.client.run.findUnique = (() => Promise.reject(new Error(secret))) as unknown as typeof broken;
    try {
      const { status, body } = await api.call('GET', `/v1/runs/${nobody}`);
      expect([status, body.code]).toEqual([500, 'internal']);
      expect(JSON.stringify(body)).not.toContain('hunter2');
      const line = api.log.find((entry) => entry.includes('"level":50'));
      expect(line).toContain(body.request_id);
      expect(line).not.toMatch(/hunter2|ty_abcdefghijkl/);
    } finally {
      api.db.client.run.findUnique = broken;
    }
  });

  it('takes a request id from the client and logs no credentials', async () => {
    const { headers } = await api.call('GET', '/v1/me', { headers: { 'x-request-id': 'mine-1' } });
    expect(headers['x-request-id']).toBe('mine-1');
    expect(api.log.join('')).not.toContain(api.key);
  });
});
