import { adapterNames } from '@trainyard/contracts';
import { loadBackend } from '@trainyard/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { initParameters, loadParameters } from '../src/model/parameters.ts';
import { evaluateAnswers, meanAndError } from '../src/stages/evaluate-answers.ts';
import { finetune } from '../src/stages/finetune.ts';
import type { LoraConfig } from '../src/stages/lora.ts';
import {
  ask,
  chat,
  collect,
  config,
  END,
  expectExactResume,
  expectSameTensors,
  goOn,
  optimization,
} from './toy-chats.ts';

const weights = initParameters(config, 1);
// The answer to (a, b) is (b, a).
const symbols = [4, 5, 6, 7, 8, 9];
const pairs = symbols.flatMap((a) => symbols.map((b) => [a, b] as const));
const examples = pairs.map(([a, b]) => chat([a, b], [b, a]));
const lora: LoraConfig = { rank: 8, alpha: 32, targets: ['q_proj', 'v_proj', 'o_proj', 'down_proj'] };

beforeAll(async () => {
  await loadBackend({ prefer: 'auto' });
});

describe('full fine-tuning', () => {
  it('learns to answer, greedily and when sampled, and to stop', async () => {
    const { state, metrics } = await collect(
      finetune({
        weights,
        config,
        examples,
        optimization: optimization({ steps: 90, batchSize: 8, learningRate: 1e-2 }),
        control: goOn,
      }),
    );
    expect(metrics[0]!.loss).toBeCloseTo(Math.log(config.vocabSize), 0);
    expect(metrics[0]!.tokens).toBe(8 * 2 * 3); // 8 rows of two examples with three answer tokens
    const decode = (tokens: Int32Array) => Array.from(tokens, (token) => 'abcdefghijklmnop'[token]).join(' ');
    const params = loadParameters(state.weights);
    const questions = pairs.map(([a, b]) => ({
      tokens: ask(a, b),
      text: decode(Int32Array.of(a, b)),
      reference: [decode(Int32Array.of(b, a))],
    }));
    const evaluate = (model: typeof params) =>
      evaluateAnswers({
        params: model,
        config,
        questions,
        grader: 'exact',
        decode,
        stopTokens: [END],
        maxNewTokens: 4,
        samplesPerQuestion: 4,
        temperature: 1,
        seed: 3,
      });
    const after = await evaluate(params);
    expect(after.accuracy).toBeGreaterThanOrEqual(0.95);
    expect(after.stopRate).toBeGreaterThanOrEqual(0.95);
    expect(after.passAt1).toBeGreaterThan(0.8);
    expect(after.passAt1StandardError).toBeLessThan(0.05);
    const before = await evaluate(loadParameters(weights));
    expect(before.accuracy).toBeLessThan(0.1);
    expect(before.answers).toHaveLength(36);
  });

  it('resumes to the last bit', async () => {
    const plan = {
      weights,
      config,
      examples,
      optimization: optimization({ steps: 6, accumulation: 2, dropout: 0.1 }),
    };
    await expectExactResume((run) => finetune({ ...plan, ...run }), 2);
  });
});

describe('LoRA fine-tuning', () => {
  it('trains adapters alone and checkpoints merged weights', async () => {
    const { state, metrics } = await collect(
      finetune({
        weights,
        config,
        examples,
        lora,
        optimization: optimization({ steps: 40, learningRate: 3e-2 }),
        control: goOn,
      }),
    );
    expect(metrics.at(-1)!.loss).toBeLessThan(metrics[0]!.loss! - 0.25);
    const adapted = Object.keys(weights).filter((name) => /q_proj|v_proj|o_proj|down_proj/.test(name));
    for (const name of adapted) expect(state.weights[name]!.data).not.toEqual(weights[name]!.data);
    const others = ({ ...all }: typeof weights) => {
      for (const name of adapted) delete all[name];
      return all;
    };
    expectSameTensors(others(state.weights), others(weights));
    const names = adapted.flatMap((name) => Object.values(adapterNames(name)));
    const moments = names.flatMap((name) => [`m.${name}`, `v.${name}`]);
    expect(Object.keys(state.optimizer).sort()).toEqual([...names, ...moments].sort());
  });

  it('resumes to the last bit from the merged checkpoint and the base weights', async () => {
    const plan = { weights, config, examples, lora, optimization: optimization({ steps: 6 }) };
    await expectExactResume((run) => finetune({ ...plan, ...run }), 4);
  });

  it('refuses to resume with other LoRA settings', async () => {
    const plan = { weights, config, examples, optimization: optimization({ steps: 2 }) };
    const stopped = await collect(finetune({ ...plan, lora, control: () => 'checkpoint_and_stop' }));
    const other = finetune({ ...plan, lora: { ...lora, rank: 2 }, control: goOn, resume: stopped.state });
    await expect(collect(other)).rejects.toMatchObject({ code: 'incompatible_checkpoint' });
  });
});

it('refuses examples that do not fit, before training', async () => {
  const tooLong = chat(
    [4],
    Array.from({ length: 20 }, () => 5),
  );
  const events = finetune({
    weights,
    config,
    examples: [tooLong],
    optimization: optimization(),
    control: goOn,
  });
  await expect(collect(events)).rejects.toMatchObject({ code: 'invalid_data' });
});

it('takes the standard error of a mean from the unbiased deviation', () => {
  // deviations 1/4, 1/4, 1/4, -3/4: variance (12/16) / 3 = 1/4, over 4 values 1/16
  expect(meanAndError([1, 1, 1, 0])).toEqual({ mean: 0.75, standardError: 0.25 });
  expect(meanAndError([0.5])).toEqual({ mean: 0.5, standardError: 0 });
  expect(meanAndError([])).toEqual({ mean: 0, standardError: 0 });
});
