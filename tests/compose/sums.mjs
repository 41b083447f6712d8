const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

const sums = NUMBERS.slice(0, 6).flatMap((first, a) =>
  NUMBERS.slice(0, 6).map((second, b) => ({ first, second, sum: NUMBERS[a + b] })),
);

/** Documents between blank lines. */
export const text = sums
  .flatMap(({ first, second, sum }) => [
    `${first} plus ${second} is ${sum}, and ${sum} minus ${second} is ${first}.`,
    `If you add ${second} to ${first} you have ${sum}.`,
  ])
  .join('\n\n');

/** Instruction records, one a line. */
export const questions = sums
  .map(({ first, second, sum }) => ({ instruction: `What is ${first} plus ${second}?`, output: sum }))
  .map((record) => JSON.stringify(record))
  .join('\n');

/** All stages but reinforcement learning, at the smallest size; the pre-training lasts long enough to be disturbed. */
export const pipeline = {
  name: 'compose',
  stages: [
    {
      name: 'tokenizer',
      stage: 'tokenizer',
      inputs: { datasets: ['sums-text'] },
      config: { vocab_size: 320 },
    },
    {
      name: 'base',
      stage: 'pretrain',
      inputs: { datasets: ['sums-text'], tokenizer: { stage: 'tokenizer' } },
      config: {
        model: { preset: 'tiny' },
        optimization: { steps: 2000, batch_size: 16 },
        checkpointing: { every_steps: 100 },
      },
    },
    {
      name: 'text',
      stage: 'eval',
      inputs: { datasets: ['sums-text'], base: { stage: 'base' } },
      config: { task: 'bits_per_byte', limit: 40 },
    },
    {
      name: 'assistant',
      stage: 'finetune',
      inputs: { datasets: ['sums-questions'], base: { stage: 'base' } },
      config: { optimization: { steps: 100, batch_size: 8 } },
    },
    {
      name: 'answers',
      stage: 'eval',
      inputs: { datasets: ['sums-questions'], base: { stage: 'assistant' } },
      config: { task: 'answers', split: 'train', limit: 20, max_new_tokens: 8 },
    },
  ],
};
