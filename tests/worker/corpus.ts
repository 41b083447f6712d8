/** Small data of every kind, made by rule: additions that fit the tiny model's context of 64 tokens. */
const NUMBERS = Array.from({ length: 60 }, (_, i) => i);
const question = (i: number) => `${i % 10} plus ${i % 7} is?`;
const answer = (i: number) => String((i % 10) + (i % 7));

export const TEXT = NUMBERS.map((i) => ({
  text: `Sentence ${i}: ${i % 10} plus ${i % 7} is ${answer(i)}, and the quick brown fox number ${i} jumps over the lazy dog.`,
}));
export const CHATS = NUMBERS.map((i) => ({
  messages: [
    { role: 'user', content: question(i) },
    { role: 'assistant', content: answer(i) },
  ],
}));
export const PROMPTS = NUMBERS.map((i) => ({ prompt: question(i), reference: answer(i) }));
export const PREFERENCES = NUMBERS.map((i) => ({
  prompt: question(i),
  chosen: answer(i),
  rejected: String((i % 10) + (i % 7) + 1),
}));
