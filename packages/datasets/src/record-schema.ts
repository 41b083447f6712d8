import type { DatasetKind } from '@trainyard/contracts';
import type { ChatMessage } from '@trainyard/tokenizer';
import type { ChatRecord, InstructionRecord, PreferenceRecord, PromptsRecord, RecordOf } from './record.ts';

/** What is wrong with a value, and where in the record; `param` is empty for the record as a whole. */
export interface Problem {
  param: string;
  message: string;
}

type Check = (value: unknown, param: string) => Problem | undefined;
type Fields = Record<string, unknown>;

interface Shape {
  required: Record<string, Check>;
  optional?: Record<string, Check>;
  /** What no single field shows. */
  whole?: (fields: Fields) => Problem | undefined;
}

const problem = (param: string, message: string): Problem => ({ param, message });

const string: Check = (value, param) => {
  if (typeof value !== 'string') return problem(param, `${param} must be a string`);
  if (/\p{Surrogate}/u.test(value)) return problem(param, `${param} holds half of a surrogate pair`);
};

const words: Check = (value, param) => {
  const wrong = string(value, param);
  if (wrong) return wrong;
  if (!/\S/.test(value as string)) return problem(param, `${param} must not be blank`);
};

const list =
  (item: Check): Check =>
  (value, param) => {
    if (!Array.isArray(value) || value.length === 0)
      return problem(param, `${param} must be a list with at least one item`);
    for (const [i, element] of value.entries()) {
      const wrong = item(element, `${param}[${i}]`);
      if (wrong) return wrong;
    }
  };

const stringOr =
  (other: Check): Check =>
  (value, param) => {
    if (typeof value === 'string') return words(value, param);
    if (Array.isArray(value)) return other(value, param);
    return problem(param, `${param} must be a string or a list`);
  };

const message: Check = (value, param) =>
  checkShape({ required: { role: string, content: words } }, value, `${param}.`);

const conversation =
  (last: 'user' | 'assistant'): Check =>
  (value, param) => {
    const wrong = list(message)(value, param);
    if (wrong) return wrong;
    const messages = value as ChatMessage[];
    const turns = messages[0]!.role === 'system' ? 1 : 0;
    for (const [i, { role }] of messages.entries()) {
      const expected = i < turns ? 'system' : (i - turns) % 2 === 0 ? 'user' : 'assistant';
      if (role !== expected)
        return problem(
          `${param}[${i}].role`,
          `${param}[${i}].role must be "${expected}": an optional system message comes first, then user and assistant in turn`,
        );
    }
    if (messages.at(-1)!.role !== last) return problem(param, `${param} must end with the ${last}`);
  };

const prompt = stringOr(conversation('user'));

const SHAPES: Record<DatasetKind, Shape> = {
  text: { required: { text: words } },
  chat: {
    required: { messages: conversation('assistant') },
    optional: { system: words },
    whole: ({ system, messages }) =>
      system !== undefined && (messages as ChatMessage[])[0]!.role === 'system'
        ? problem('system', 'system is given twice: in the field and as the first message')
        : undefined,
  },
  instruction: { required: { instruction: words, output: words }, optional: { input: string } },
  preference: {
    required: { prompt, chosen: words, rejected: words },
    whole: ({ chosen, rejected }) =>
      chosen === rejected ? problem('rejected', 'rejected must differ from chosen') : undefined,
  },
  prompts: { required: { prompt }, optional: { reference: stringOr(list(words)) } },
};

function checkShape(shape: Shape, value: unknown, prefix = ''): Problem | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return problem(prefix.slice(0, -1), `${prefix ? prefix.slice(0, -1) : 'a record'} must be an object`);
  const fields = value as Fields;
  for (const [name, check] of Object.entries(shape.required)) {
    if (!Object.hasOwn(fields, name)) return problem(prefix + name, `${prefix}${name} is missing`);
    const wrong = check(fields[name], prefix + name);
    if (wrong) return wrong;
  }
  for (const name of Object.keys(fields)) {
    if (Object.hasOwn(shape.required, name)) continue;
    const check = shape.optional && Object.hasOwn(shape.optional, name) ? shape.optional[name] : undefined;
    if (!check) return problem(prefix + name, `${prefix}${name} is not a field of this kind of record`);
    const wrong = check(fields[name], prefix + name);
    if (wrong) return wrong;
  }
  return shape.whole?.(fields);
}

/** What keeps a parsed JSON value from being a record of a kind; undefined if nothing does. */
export function checkRecord(kind: DatasetKind, value: unknown): Problem | undefined {
  return checkShape(SHAPES[kind], value);
}

/**
 * The one form of a record: fields in the order of its type, a chat's `system` as its first message, an empty `input`
 * left out. Equal records are equal as JSON.
 * @param value what checkRecord found nothing wrong with
 */
export function canonicalRecord(kind: DatasetKind, value: unknown): RecordOf<DatasetKind> {
  switch (kind) {
    case 'text':
      return { text: (value as { text: string }).text };
    case 'chat': {
      const { system, messages } = value as ChatRecord & { system?: string };
      const first: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
      return { messages: [...first, ...ordered(messages)] };
    }
    case 'instruction': {
      const { instruction, input, output } = value as InstructionRecord;
      return input ? { instruction, input, output } : { instruction, output };
    }
    case 'preference': {
      const { prompt, chosen, rejected } = value as PreferenceRecord;
      return { prompt: orderedPrompt(prompt), chosen, rejected };
    }
    case 'prompts': {
      const { prompt, reference } = value as PromptsRecord;
      return { prompt: orderedPrompt(prompt), ...(reference === undefined ? {} : { reference }) };
    }
  }
}

const ordered = (messages: ChatMessage[]) => messages.map(({ role, content }) => ({ role, content }));
const orderedPrompt = (value: string | ChatMessage[]) => (typeof value === 'string' ? value : ordered(value));

/** Unicode code points in all the strings of a record. */
export function countCharacters(value: unknown): number {
  if (typeof value === 'string') {
    let count = value.length;
    for (let i = 0; i < value.length; i++) if ((value.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
    return count;
  }
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + countCharacters(part), 0);
}
