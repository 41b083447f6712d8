import * as tf from '@tensorflow/tfjs-core';
import type { Execution } from '@trainyard/tensor';
import { Tokenizer } from '@trainyard/tokenizer';
import { describe, expect, it } from 'vitest';
import {
  bitsPerByte,
  disposeParameters,
  dpo,
  finetune,
  generate,
  grpo,
  initParameters,
  loadParameters,
  pretrain,
  random,
  score,
  type TrainingEvent,
  trainRewardModel,
} from '../src/index.ts';
import { EXECUTIONS } from './executions.ts';
import { ask, chat, collect, config, END, goOn, optimization } from './toy-chats.ts';

const STEPS = 50;
const weights = initParameters(config, 1);
const symbols = [4, 5, 6, 7, 8, 9];
const examples = symbols.flatMap((a) => symbols.map((b) => chat([a, b], [b, a])));
const pairs = symbols.map((asked, i) => ({
  chosen: chat([asked], [asked]),
  rejected: chat([asked], [symbols[(i + 1) % 6]!, 9]),
}));
const common = { config, weights, control: goOn };
const plan = (changes = {}) => optimization({ steps: STEPS, ...changes });

const vocabulary = Tokenizer.fromMerges(new Int32Array(), 64);
const text = { ...config, vocabSize: vocabulary.vocabSize };
const windows = (step: number, micro: number) => {
  const uniform = random(1, 'text', step, micro);
  return Int32Array.from({ length: 4 * 17 }, (_, i) => (i % 17 === 9 ? 0 : 100 + Math.floor(20 * uniform())));
};
const onText = (objective: 'next_word' | 'masked' | 'fill_in_the_middle', changes = {}) =>
  pretrain({
    config: { ...text, attention: objective === 'masked' ? 'bidirectional' : 'causal' },
    objective,
    maskingRate: 0.15,
    fimRate: 0.5,
    sample: windows,
    vocabulary,
    optimization: plan(),
    control: goOn,
    ...changes,
  });

const untied = { ...text, tiedHead: false };
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] as const };
const bandit = {
  prompts: symbols.map((symbol) => ({ tokens: ask(symbol), text: `${symbol}` })),
  judge: async (groups: { completions: string[] }[]) =>
    groups.map(({ completions }) =>
      completions.map((answer) => answer.split(' ').filter((t) => t === '9').length),
    ),
  decode: (tokens: Int32Array) => [...tokens].join(' '),
  stopTokens: [END],
  promptsPerStep: 4,
  groupSize: 4,
  temperature: 1,
  maxNewTokens: 3,
  clipRange: 0.2,
  klWeight: 0.05,
};

const STAGES: Record<string, (execution: Execution) => AsyncGenerator<TrainingEvent>> = {
  'next word': (execution) => onText('next_word', { execution }),
  'next word, untied head, accumulation': (execution) =>
    onText('next_word', { execution, config: untied, optimization: plan({ accumulation: 3 }) }),
  'missing words': (execution) => onText('masked', { execution }),
  'fill in the middle': (execution) => onText('fill_in_the_middle', { execution }),
  'fine-tuning with dropout': (execution) =>
    finetune({ ...common, examples, execution, optimization: plan({ dropout: 0.1 }) }),
  'adapters, accumulation': (execution) =>
    finetune({ ...common, examples, execution, lora, optimization: plan({ accumulation: 2 }) }),
  'reward model with dropout': (execution) =>
    trainRewardModel({ ...common, pairs, execution, optimization: plan({ dropout: 0.1 }) }),
  DPO: (execution) =>
    dpo({
      ...common,
      pairs,
      execution,
      beta: 0.2,
      nllWeight: 0.5,
      optimization: plan({ batchSize: 3, learningRate: 1e-3 }),
    }),
  GRPO: (execution) =>
    grpo({
      ...common,
      ...bandit,
      execution,
      updatesPerRollout: 1,
      optimization: plan({ learningRate: 1e-3 }),
    }),
  'GRPO, several updates, accumulation': (execution) =>
    grpo({
      ...common,
      ...bandit,
      execution,
      updatesPerRollout: 2,
      optimization: plan({ learningRate: 1e-3, accumulation: 2 }),
    }),
};

const compilable = EXECUTIONS.includes('compiled');

describe.each(Object.keys(compilable ? STAGES : {}))('%s', (stage) => {
  it('compiled is eager: losses to 1e-5, weights to 1e-4; no tensor is left', async () => {
    const before = tf.memory().numTensors;
    const counts = new Set<number>();
    const run = async (execution: Execution) => {
      const events: TrainingEvent[] = [];
      for await (const event of STAGES[stage]!(execution)) {
        events.push(event);
        if (event.type === 'metrics') counts.add(tf.memory().numTensors);
      }
      return collect(
        (async function* () {
          yield* events;
        })(),
      );
    };
    const [compiled, eager] = [await run('compiled'), await run('eager')];
    expect(tf.memory().numTensors).toBe(before);
    expect(counts.size).toBe(2); // one for each way
    expect(compiled.metrics).toHaveLength(STEPS);
    compiled.metrics.forEach(({ loss }, step) => {
      expect(Math.abs(loss! - eager.metrics[step]!.loss!), `step ${step + 1}`).toBeLessThan(1e-5);
    });
    for (const [name, { data }] of Object.entries(compiled.state.weights)) {
      const other = eager.state.weights[name]!.data;
      const furthest = Math.max(...Array.from(data, (value, i) => Math.abs(value - other[i]!)));
      expect(furthest, name).toBeLessThan(1e-4);
    }
  });
});

if (compilable)
  it('evaluation and generation, compiled, give what they give op by op', async () => {
    const before = tf.memory().numTensors;
    const params = loadParameters(weights);
    const documents = [12, 30, 5].map((length) => Int32Array.from({ length }, (_, i) => 3 + (i % 12)));
    const bits = (execution: Execution) =>
      bitsPerByte({ params, config, documents, bytes: 47, endOfText: 0, execution });
    expect((await bits('compiled')).nats).toBeCloseTo((await bits('eager')).nats, 4);

    const prompts = [[4], [4, 5, 6], [9, 8]].map((tokens) => Int32Array.from(tokens));
    const write = (execution: Execution) =>
      generate({
        params,
        config,
        prompts,
        maxNewTokens: 10,
        temperature: 0.8,
        stopTokens: [],
        seed: 3,
        execution,
      });
    const [compiled, eager] = [await write('compiled'), await write('eager')];
    compiled.forEach(({ tokens, logProbabilities }, i) => {
      expect(tokens).toEqual(eager[i]!.tokens);
      logProbabilities.forEach((value, n) => {
        expect(value).toBeCloseTo(eager[i]!.logProbabilities[n]!, 4);
      });
    });
    disposeParameters(params);
    expect(tf.memory().numTensors).toBe(before);
  });

it('says which weight a reward model lacks', async () => {
  const params = loadParameters(weights);
  await expect(score({ params, config, sequences: [Int32Array.of(1)] })).rejects.toThrow(/score\.weight/);
  disposeParameters(params);
});
