import type { ChatMessage } from '@trainyard/tokenizer';
import type { ChatRecord, InstructionRecord, PreferenceRecord, PromptsRecord } from './record.ts';

/**
 * A record as a conversation. Chat and instruction records end with the assistant's answer; of preference and prompts
 * records it is the prompt alone, which ends with the user (the answers stay in `chosen`, `rejected`, `reference`).
 * Alpaca's `input` follows the instruction after an empty line.
 */
export function toChat(
  record: ChatRecord | InstructionRecord | PreferenceRecord | PromptsRecord,
): ChatMessage[] {
  if ('messages' in record) return record.messages;
  if ('instruction' in record) {
    const { instruction, input, output } = record;
    const content = input ? `${instruction}\n\n${input}` : instruction;
    return [
      { role: 'user', content },
      { role: 'assistant', content: output },
    ];
  }
  const { prompt } = record;
  return typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
}
