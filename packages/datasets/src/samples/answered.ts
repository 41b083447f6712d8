import type { ChatRecord, PromptsRecord } from '../record.ts';
import { toChat } from '../to-chat.ts';

/** A prompt with its (first) reference as the assistant's answer. */
export function answered(record: PromptsRecord & { reference: string | string[] }): ChatRecord;
export function answered(record: PromptsRecord): ChatRecord;
export function answered(record: PromptsRecord): ChatRecord {
  const { reference } = record;
  const content = typeof reference === 'string' ? reference : reference?.[0];
  if (content === undefined) throw new Error('The prompt has no reference answer.');
  return { messages: [...toChat(record), { role: 'assistant', content }] };
}
