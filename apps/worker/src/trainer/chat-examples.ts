import { type RecordOf, toChat } from '@trainyard/datasets';
import type { Preference } from '@trainyard/engine';
import { type ChatMessage, renderChat, type Tokenizer } from '@trainyard/tokenizer';

type AnsweredRecord = RecordOf<'chat'> | RecordOf<'instruction'>;
type AskedRecord = AnsweredRecord | RecordOf<'prompts'>;

/** A conversation as tokens, the assistant's marked for the loss. */
export const toExample = (tokenizer: Tokenizer, record: AnsweredRecord) =>
  renderChat(tokenizer, toChat(record));

/** Two answers to one prompt as two whole conversations. */
export function toPreference(tokenizer: Tokenizer, record: RecordOf<'preference'>): Preference {
  const prompt = toChat(record);
  const answer = (content: string) => renderChat(tokenizer, [...prompt, { role: 'assistant', content }]);
  return { chosen: answer(record.chosen), rejected: answer(record.rejected) };
}

/** A question up to where the assistant answers, with the answers that are right. */
export function toQuestion(tokenizer: Tokenizer, record: AskedRecord) {
  const messages = toChat(record);
  const last = messages.at(-1)!;
  const answered = last.role === 'assistant';
  const asked: ChatMessage[] = answered ? messages.slice(0, -1) : messages;
  const given = 'reference' in record && record.reference !== undefined ? [record.reference].flat() : [];
  return {
    tokens: renderChat(tokenizer, asked, { generationPrompt: true }).tokens,
    text: asked.at(-1)!.content,
    reference: answered ? [last.content] : given,
  };
}
