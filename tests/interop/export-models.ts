// Exports small random models and their tokenizer, beside what our engine and tokenizer make of them.
import { join } from 'node:path';
import { adapterNames, type CheckpointKind, type ExportDtype, type StoredModel } from '@trainyard/contracts';
import { initParameters, loadParameters, score, toModelConfig } from '@trainyard/engine';
import {
  type CheckpointContent,
  exportGguf,
  exportHuggingFace,
  exportPeft,
  importAdapters,
  importHuggingFace,
} from '@trainyard/interchange';
import { loadBackend } from '@trainyard/tensor';
import { BpeTrainer, renderChat } from '@trainyard/tokenizer';
import { generateText } from '../../packages/tokenizer/test/generate-text.ts';
import { randomTexts } from '../../packages/tokenizer/test/random-text.ts';
import { importedWeights, readFolder, writeFolder, writeJson } from './folders.ts';
import { logProbabilities } from './log-probabilities.ts';

const work = process.argv[2]!;
await loadBackend({ prefer: 'auto' });

const trainer = new BpeTrainer({ vocabSize: 384 });
trainer.add(generateText(50_000, 3));
const tokenizer = trainer.train();
const SHAPE = {
  layers: 2,
  width: 64,
  heads: 4,
  kv_heads: 2,
  hidden_width: 160,
  context_length: 64,
  rope_theta: 10_000,
};
const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % tokenizer.vocabSize);

interface Case {
  change?: Partial<StoredModel>;
  kind?: CheckpointKind;
  dtype?: ExportDtype;
  maxShardBytes?: number;
}
const CASES: Record<string, Case> = {
  'grouped-query, tied': { change: { tied_head: true } },
  'grouped-query, untied': { change: { tied_head: false } },
  'multi-head, theta 500000': { change: { kv_heads: 4, rope_theta: 500_000 } },
  'one kv head, epsilon 1e-6': { change: { kv_heads: 1, norm_epsilon: 1e-6 } },
  'in shards': { maxShardBytes: 60_000 },
  'as f16': { dtype: 'f16' },
  'as bf16': { dtype: 'bf16' },
  assistant: { kind: 'assistant' },
};

function randomCheckpoint(
  change: Partial<StoredModel>,
  kind: CheckpointKind,
  seed: number,
): CheckpointContent {
  const model: StoredModel = {
    ...SHAPE,
    tied_head: true,
    vocab_size: tokenizer.vocabSize,
    attention: 'causal',
    objective: 'next_word',
    ...change,
  };
  const weights = initParameters(toModelConfig(model), seed) as CheckpointContent['weights'];
  // Far from flat, so that a wrong rotation or grouping shows.
  for (const [name, { data }] of Object.entries(weights))
    for (let i = 0; i < data.length; i++) data[i]! *= name.includes('norm') ? 1 + 0.1 * Math.sin(i) : 6;
  return { kind, model, weights, tokenizer, card: CARD };
}

const CARD: CheckpointContent['card'] = {
  checkpointId: '00000000-0000-7000-8000-000000000000',
  kind: 'base',
  parameters: 0,
  step: 0,
  createdAt: '2024-01-01T00:00:00.000Z',
  knowledgeCutoff: null,
  stages: [],
  datasets: [],
  licences: [],
  base: null,
};

let seed = 0;
for (const [name, { change = {}, kind = 'base', dtype = 'f32', maxShardBytes = 1e9 }] of Object.entries(
  CASES,
)) {
  const content = randomCheckpoint(change, kind, ++seed);
  const folder = join(work, 'exported', name);
  await writeFolder(folder, exportHuggingFace(content, { dtype, maxShardBytes }));
  if (dtype === 'f32' && maxShardBytes === 1e9) await writeFolder(folder, exportGguf(content, { dtype }));
  // What was rounded is what must agree.
  const weights =
    dtype === 'f32'
      ? content.weights
      : await importedWeights(await importHuggingFace(await readFolder(folder)));
  await writeJson(
    { tokens: TOKENS, log_probabilities: logProbabilities(content.model, weights, TOKENS) },
    folder,
    'expected.json',
  );
}

const base = randomCheckpoint({}, 'assistant', 1);
const targets = ['q_proj', 'v_proj', 'down_proj'] as const;
const lora = { rank: 4, alpha: 12, targets };
const optimizer: Record<string, { shape: number[]; data: Float32Array }> = {};
for (const [name, { shape }] of Object.entries(base.weights)) {
  if (!targets.some((target) => name.endsWith(`.${target}.weight`))) continue;
  const { a, b } = adapterNames(name);
  const random = (...sizes: [number, number]) => ({
    shape: sizes,
    data: Float32Array.from({ length: sizes[0] * sizes[1] }, (_, i) => 0.1 * Math.sin(i * 1.3 + shape[0]!)),
  });
  optimizer[a] = random(4, shape[1]!);
  optimizer[b] = random(shape[0]!, 4);
}
const adapters = join(work, 'exported-adapters');
await writeFolder(join(adapters, 'base'), exportHuggingFace(base, { dtype: 'f32', maxShardBytes: 1e9 }));
await writeFolder(join(adapters, 'adapters'), exportPeft(base, { dtype: 'f32', lora, optimizer }));
const { merged } = await importAdapters(await readFolder(join(adapters, 'adapters')), base.weights);
await writeJson(
  { tokens: TOKENS, log_probabilities: logProbabilities(base.model, merged, TOKENS) },
  adapters,
  'expected.json',
);

const reward = randomCheckpoint({}, 'reward', 2);
const scorer = {
  ...reward.weights,
  'score.weight': { shape: [1, 64], data: Float32Array.from({ length: 64 }, (_, i) => Math.cos(i)) },
};
const rewardFolder = join(work, 'exported-reward');
await writeFolder(
  rewardFolder,
  exportHuggingFace({ ...reward, weights: scorer }, { dtype: 'f32', maxShardBytes: 1e9 }),
);
const [scored] = await score({
  params: loadParameters(scorer as never),
  config: toModelConfig(reward.model),
  sequences: [Int32Array.from(TOKENS)],
});
await writeJson({ tokens: TOKENS, score: scored }, rewardFolder, 'expected.json');

const texts = [
  ...randomTexts(400, 77),
  generateText(3000, 5),
  "I'll pay 1234567 dollars,\r\n\n  won't I?\t ſ'S",
].filter((text) => !text.includes('<|'));
const conversations = [
  [{ role: 'user', content: 'hello' }],
  [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: ' What is 2 + 2?\n' },
    { role: 'assistant', content: "It's 4 — naïve, isn't it? 👍" },
    { role: 'user', content: '\n\nAnd 3?' },
  ],
] as const;
await writeJson(
  {
    texts,
    ids: texts.map((text) => [...tokenizer.encode(text)]),
    conversations: conversations.map((messages) => ({
      messages,
      ids: [...renderChat(tokenizer, messages, { generationPrompt: true }).tokens],
    })),
  },
  work,
  'texts.json',
);
