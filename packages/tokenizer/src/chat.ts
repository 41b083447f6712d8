import { TrainyardError } from '@trainyard/contracts';
import { SPECIAL_TOKENS } from './special-tokens.ts';
import { TokenBuffer } from './token-buffer.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** What renderChat does, as the Jinja `chat_template` of a Hugging Face tokenizer_config.json. */
export function chatTemplate(tokenizer: Tokenizer): string {
  const end = tokenizer.specialText(tokenizer.endOfMessage)!;
  return (
    `{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + ${jinja(end)} }}{% endfor %}` +
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
  );
}

/** A Jinja string literal, whose escapes are those of Python. */
const jinja = (text: string): string => `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`;

/** The token that opens a role's message, or the tokens of its text where the vocabulary has no such token. */
function opening(tokenizer: Tokenizer, role: ChatMessage['role']): Int32Array {
  const id = tokenizer.specialId(SPECIAL_TOKENS[role]);
  return id === undefined ? tokenizer.encode(SPECIAL_TOKENS[role]) : Int32Array.of(id);
}

/**
 * Lays out a conversation: for each message `<|role|>`, its content, `<|end|>`; `generationPrompt` adds
 * `<|assistant|>`, from where a model answers. With a foreign vocabulary that lacks these tokens, the text of the role's
 * one stands in for it, and end of text for `<|end|>`.
 * @returns tokens [n], and lossMask [n]: 1 where the assistant speaks (content and `<|end|>`), else 0.
 * @throws TrainyardError `invalid_data` (param `messages[i].role` and the like) unless the messages are an optional
 *   system message, then user and assistant in turn, ending with the user where an answer is asked for.
 */
export function renderChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: { generationPrompt?: boolean } = {},
): { tokens: Int32Array; lossMask: Uint8Array } {
  checkMessages(messages);
  const push = (piece: Int32Array): void => tokens.append(piece, 0, piece.length);
  const tokens = new TokenBuffer(64);
  const spoken: [start: number, end: number][] = [];
  for (const { role, content } of messages) {
    push(opening(tokenizer, role));
    const start = tokens.length;
    push(tokenizer.encode(content));
    tokens.push(tokenizer.endOfMessage);
    if (role === 'assistant') spoken.push([start, tokens.length]);
  }
  if (options.generationPrompt) {
    const last = messages.length - 1;
    if (messages[last]!.role !== 'user')
      refuse(`messages[${last}].role`, 'must be "user" to ask for an answer');
    push(opening(tokenizer, 'assistant'));
  }
  const lossMask = new Uint8Array(tokens.length);
  for (const [start, end] of spoken) lossMask.fill(1, start, end);
  return { tokens: tokens.toArray(), lossMask };
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (messages.length === 0) refuse('messages', 'must hold at least one message');
  messages.forEach((message, i) => {
    if (typeof message !== 'object' || message === null) refuse(`messages[${i}]`, 'must be an object');
  });
  const turns = messages[0]!.role === 'system' ? 1 : 0;
  messages.forEach(({ role, content }, i) => {
    const expected = i < turns ? 'system' : (i - turns) % 2 === 0 ? 'user' : 'assistant';
    if (role !== expected) {
      refuse(`messages[${i}].role`, `must be "${expected}", not ${JSON.stringify(role)}: ${ORDER}`);
    }
    if (typeof content !== 'string') refuse(`messages[${i}].content`, 'must be a string');
  });
}

const ORDER = 'an optional system message comes first, then user and assistant in turn';

function refuse(param: string, problem: string): never {
  throw new TrainyardError('invalid_data', `${param} ${problem}.`, { param });
}
