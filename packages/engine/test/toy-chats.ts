import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import type { HostTensors } from '../src/host-tensor.ts';
import type { ModelConfig } from '../src/model/model-config.ts';
import type { ChatExample } from '../src/stages/chat-batch.ts';
import type { Control, Optimization, TrainingEvent, TrainingState } from '../src/stages/training.ts';

export const config: ModelConfig = {
  vocabSize: 16,
  contextLength: 16,
  layers: 2,
  width: 32,
  heads: 2,
  kvHeads: 1,
  hiddenWidth: 48,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedHead: true,
  attention: 'causal',
};

export const [USER, ASSISTANT, END] = [1, 2, 3];

/** `<user> question <end> <assistant>`. */
export function ask(...question: number[]): Int32Array {
  return Int32Array.of(USER, ...question, END, ASSISTANT);
}

/** A whole conversation whose answer (and its end) is to be learnt. */
export function chat(question: number[], answer: number[]): ChatExample {
  const prompt = ask(...question);
  const tokens = Int32Array.of(...prompt, ...answer, END);
  return { tokens, lossMask: new Uint8Array(tokens.length).fill(1, prompt.length) };
}

export function optimization(changes: Partial<Optimization> = {}): Optimization {
  return {
    steps: 10,
    batchSize: 4,
    accumulation: 1,
    learningRate: 3e-3,
    schedule: 'cosine',
    warmupSteps: 2,
    minLearningRateRatio: 0.1,
    weightDecay: 0.01,
    beta1: 0.9,
    beta2: 0.95,
    gradientClip: 1,
    seed: 7,
    ...changes,
  };
}

export const goOn: Control = () => 'continue';

type Stage = (options: { control: Control; resume?: TrainingState }) => AsyncGenerator<TrainingEvent>;

export async function collect(events: AsyncIterable<TrainingEvent>) {
  const all: TrainingEvent[] = [];
  for await (const event of events) all.push(event);
  const metrics = all.filter((event) => event.type === 'metrics').map(({ values }) => values);
  const samples = all.filter((event) => event.type === 'samples');
  const checkpoints = all.filter((event) => event.type === 'checkpoint');
  const last = checkpoints.at(-1)!;
  return { metrics, samples, checkpoints, state: last.state, final: last.final };
}

/**
 * Runs a stage once through and once stopped after `stopAt` steps and resumed: states and metrics must be equal to
 * the last bit, and no tensor may be left over.
 */
export async function expectExactResume(stage: Stage, stopAt: number): Promise<void> {
  const before = tf.memory().numTensors;
  const whole = await collect(stage({ control: goOn }));
  const first = await collect(
    stage({ control: (step) => (step === stopAt ? 'checkpoint_and_stop' : 'continue') }),
  );
  expect(first.state.step).toBe(stopAt);
  expect(first.final).toBe(false);
  const second = await collect(stage({ control: goOn, resume: structuredClone(first.state) }));
  expect(second.final).toBe(true);
  expect([...first.metrics, ...second.metrics]).toEqual(whole.metrics);
  expectSameTensors(second.state.weights, whole.state.weights);
  expectSameTensors(second.state.optimizer, whole.state.optimizer);
  expect(second.state.counters).toEqual(whole.state.counters);
  expect(tf.memory().numTensors).toBe(before);
}

export function expectSameTensors(actual: HostTensors, expected: HostTensors): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, tensor] of Object.entries(expected)) {
    expect(actual[name]!.shape).toEqual(tensor.shape);
    const bytes = ({ data }: typeof tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    expect(Buffer.compare(bytes(actual[name]!), bytes(tensor)), name).toBe(0);
  }
}
