import type { DatasetKind } from '@trainyard/contracts';
import { expect, test } from 'vitest';
import { canonicalRecord, checkRecord, countCharacters } from '../src/record-schema.ts';
import { toChat } from '../src/to-chat.ts';

const user = { role: 'user', content: 'q' };
const assistant = { role: 'assistant', content: 'a' };
const system = { role: 'system', content: 's' };

test.each<[DatasetKind, unknown]>([
  ['text', { text: 'a' }],
  ['chat', { messages: [user, assistant] }],
  ['chat', { messages: [system, user, assistant, user, assistant] }],
  ['chat', { system: 's', messages: [user, assistant] }],
  ['instruction', { instruction: 'i', output: 'o', input: '' }],
  ['preference', { prompt: 'p', chosen: 'c', rejected: 'r' }],
  ['preference', { prompt: [system, user], chosen: 'c', rejected: 'r' }],
  ['prompts', { prompt: 'p' }],
  ['prompts', { prompt: [user], reference: ['a', 'b'] }],
])('%s accepts %j', (kind, value) => {
  expect(checkRecord(kind, value)).toBeUndefined();
});

test.each<[DatasetKind, unknown, string]>([
  ['text', null, ''],
  ['text', 'a', ''],
  ['text', JSON.parse('{"text":"a","__proto__":{}}'), '__proto__'],
  ['chat', { messages: [] }, 'messages'],
  ['chat', { messages: [user] }, 'messages'],
  ['chat', { messages: [user, user, assistant] }, 'messages[1].role'],
  ['chat', { messages: [user, assistant, system] }, 'messages[2].role'],
  ['chat', { messages: [user, { role: 'tool', content: 'x' }] }, 'messages[1].role'],
  ['chat', { messages: [user, { role: 'assistant' }] }, 'messages[1].content'],
  ['chat', { messages: [user, { ...assistant, name: 'x' }] }, 'messages[1].name'],
  ['chat', { system: 's', messages: [system, user, assistant] }, 'system'],
  ['instruction', { instruction: 'i' }, 'output'],
  ['instruction', { instruction: 'i', output: 'o', input: 3 }, 'input'],
  ['preference', { prompt: 'p', chosen: 'c', rejected: 'c' }, 'rejected'],
  ['preference', { prompt: [user, assistant], chosen: 'c', rejected: 'r' }, 'prompt'],
  ['prompts', { prompt: 3 }, 'prompt'],
  ['prompts', { prompt: 'p', reference: [] }, 'reference'],
  ['prompts', { prompt: 'p', reference: ['a', 1] }, 'reference[1]'],
])('%s refuses %j at %s', (kind, value, param) => {
  const problem = checkRecord(kind, value);
  expect(problem?.param).toBe(param);
  expect(problem?.message).toContain(param);
});

test('the canonical form fixes the order of fields and the place of a system message', () => {
  const form = (kind: DatasetKind, value: unknown) => JSON.stringify(canonicalRecord(kind, value));
  expect(form('chat', { messages: [{ content: 'q', role: 'user' }, assistant], system: 's' })).toBe(
    JSON.stringify({ messages: [system, user, assistant] }),
  );
  expect(form('instruction', { output: 'o', input: '', instruction: 'i' })).toBe(
    '{"instruction":"i","output":"o"}',
  );
  expect(form('prompts', { reference: 'a', prompt: 'p' })).toBe('{"prompt":"p","reference":"a"}');
});

test('characters are code points of all strings', () => {
  expect(countCharacters({ messages: [{ role: 'user', content: '🚂é' }] })).toBe(4 + 2);
});

test('records become conversations', () => {
  expect(toChat({ instruction: 'Add.', input: '1 2', output: '3' })).toEqual([
    { role: 'user', content: 'Add.\n\n1 2' },
    { role: 'assistant', content: '3' },
  ]);
  expect(toChat({ instruction: 'Hi.', output: 'Hello.' })[0]).toEqual({ role: 'user', content: 'Hi.' });
  expect(toChat({ prompt: 'q', chosen: 'a', rejected: 'b' })).toEqual([user]);
});
