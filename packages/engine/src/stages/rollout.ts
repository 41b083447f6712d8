import { TrainyardError } from '@trainyard/contracts';
import type { HostTensors } from '../host-tensor.ts';

/** One sampled answer, as trained on. */
export interface RolloutRow {
  /** Prompt and completion, with the token that stopped it. */
  tokens: Int32Array;
  /** Tokens of the prompt. */
  promptLength: number;
  advantage: number;
  /** Log-probabilities of the completion's tokens under the frozen reference. */
  reference: Float32Array;
  /** The same under the policy that sampled them; empty where a rollout serves one update alone. */
  sampler: Float32Array;
}

/** A rollout as tensors `rollout.*`, to be kept in a checkpoint that falls between the updates made on it. */
export function rolloutToHost(rows: readonly RolloutRow[]): HostTensors {
  const flat = (length: (row: RolloutRow) => number) => rows.reduce((sum, row) => sum + length(row), 0);
  const tokens = new Int32Array(flat((row) => row.tokens.length));
  const answers = flat((row) => row.sampler.length);
  const [sampler, reference] = [new Float32Array(answers), new Float32Array(answers)];
  let [token, answer] = [0, 0];
  for (const row of rows) {
    tokens.set(row.tokens, token);
    sampler.set(row.sampler, answer);
    reference.set(row.reference, answer);
    token += row.tokens.length;
    answer += row.sampler.length;
  }
  const int32 = (data: Int32Array) => ({ dtype: 'int32' as const, shape: [data.length], data });
  const float32 = (data: Float32Array) => ({ dtype: 'float32' as const, shape: [data.length], data });
  return {
    'rollout.tokens': int32(tokens),
    'rollout.lengths': int32(Int32Array.from(rows, (row) => row.tokens.length)),
    'rollout.prompt_lengths': int32(Int32Array.from(rows, (row) => row.promptLength)),
    'rollout.advantages': float32(Float32Array.from(rows, (row) => row.advantage)),
    'rollout.sampler': float32(sampler),
    'rollout.reference': float32(reference),
  };
}

/** The inverse of rolloutToHost. @throws TrainyardError `incompatible_checkpoint` where a tensor is missing. */
export function rolloutFromHost(host: HostTensors): RolloutRow[] {
  const read = (name: string) => {
    const tensor = host[`rollout.${name}`];
    if (tensor) return tensor.data;
    throw new TrainyardError(
      'incompatible_checkpoint',
      `The checkpoint has no rollout.${name}: resume with the run's own updatesPerRollout.`,
    );
  };
  const [tokens, sampler, reference] = [read('tokens'), read('sampler'), read('reference')];
  const [promptLengths, advantages] = [read('prompt_lengths'), read('advantages')];
  let [token, answer] = [0, 0];
  return Array.from(read('lengths'), (length, i) => {
    const promptLength = promptLengths[i]!;
    const answerEnd = answer + length - promptLength;
    const row: RolloutRow = {
      tokens: tokens.slice(token, token + length) as Int32Array,
      promptLength,
      advantage: advantages[i]!,
      sampler: sampler.slice(answer, answerEnd) as Float32Array,
      reference: reference.slice(answer, answerEnd) as Float32Array,
    };
    token += length;
    answer = answerEnd;
    return row;
  });
}
