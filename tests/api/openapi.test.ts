import { ERROR_STATUS, STAGES } from '@trainyard/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
// biome-ignore lint/suspicious/noExplicitAny: a JSON document
let document: any;
beforeAll(async () => {
  api = await startApi();
  document = (await api.call('GET', '/openapi.json', { key: null })).body;
});
afterAll(() => api.close());

function* references(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (key === '$ref') yield child as string;
    else yield* references(child);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a JSON document
const operations = (): [string, any][] =>
  // biome-ignore lint/suspicious/noExplicitAny: a JSON document
  Object.entries<any>(document.paths).flatMap(([path, methods]) =>
    // biome-ignore lint/suspicious/noExplicitAny: a JSON document
    Object.entries<any>(methods).map(([method, operation]): [string, any] => [
      `${method} ${path}`,
      operation,
    ]),
  );

it('is OpenAPI 3.1, and every reference in it leads somewhere', () => {
  expect(document.openapi).toBe('3.1.0');
  const all = [...references(document)];
  expect(all.length).toBeGreaterThan(100);
  for (const reference of all) {
    const [, name] = /^#\/components\/schemas\/([\w-]+)$/.exec(reference) ?? [];
    expect(document.components.schemas, reference).toHaveProperty(name ?? reference);
  }
});

it('holds schemas of JSON Schema 2020-12', () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats(ajv as never);
  for (const [name, schema] of Object.entries(document.components.schemas))
    expect(ajv.validateSchema(schema as object), `${name}: ${ajv.errorsText()}`).toBe(true);
});

it('describes every route: what it is for, who may call it, what it answers, how it refuses', () => {
  expect(operations().length).toBeGreaterThan(45);
  const tags = document.tags.map((tag: { name: string }) => tag.name);
  for (const [name, { summary, tags: own, security, responses, description }] of operations()) {
    expect(summary?.length, name).toBeGreaterThan(5);
    expect(tags, name).toContain(own?.[0]);
    expect(security, name).toEqual([{ apiKey: [] }]);
    expect(description, name).toContain('scope');
    const codes = Object.keys(responses);
    expect(
      codes.some((code) => code.startsWith('2')),
      name,
    ).toBe(true);
    for (const refusal of ['4XX', '5XX'])
      expect(responses[refusal]?.content, name).toEqual({
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      });
  }
});

it('names the options of each stage, and each error code', () => {
  for (const stage of STAGES) {
    const config = document.components.schemas[`RunConfig_${stage}`];
    expect(config.additionalProperties, stage).toBe(false);
    expect(Object.keys(config.properties).length).toBeGreaterThan(0);
  }
  expect(document.components.schemas.RunConfig_tokenizer.properties.vocab_size.default).toBe(1024);
  expect(document.components.schemas.Problem.properties.code.enum).toEqual(Object.keys(ERROR_STATUS));
});

it('shows the data types of an upload', () => {
  const { requestBody } = document.paths['/v1/datasets/{id}/versions'].post;
  expect(Object.keys(requestBody.content)).toEqual([
    'text/plain',
    'application/x-ndjson',
    'application/jsonl',
  ]);
  const { requestBody: archive } = document.paths['/v1/checkpoints/import'].post;
  expect(Object.keys(archive.content)).toEqual(['application/x-tar']);
});
