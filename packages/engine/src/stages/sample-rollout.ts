import type { Completion, TextGenerator } from '../generate.ts';
import { random } from '../random.ts';
import { groupAdvantages } from './group-advantages.ts';
import { type Judge, judgeRewards } from './judge.ts';
import type { Sample } from './training.ts';

/** A prompt laid out as the model expects it, up to where it answers; `reference` is for judges that need one. */
export interface Prompt {
  tokens: Int32Array;
  text: string;
  reference?: string[];
}

/** A judged completion: whole sequence, tokens of its prompt, group-normalised advantage. */
export interface JudgedCompletion {
  tokens: Int32Array;
  promptLength: number;
  advantage: number;
}

export interface RolloutSampling {
  judge: Judge;
  decode: (tokens: Int32Array) => string;
  stopTokens: number[];
  /** Answers written to each prompt. */
  groupSize: number;
  temperature: number;
  maxNewTokens: number;
}

/**
 * Writes `groupSize` answers to each prompt in one batch, from random streams of (seed, rollout), and has them judged.
 * Answers of a group whose rewards are all the same are left out: they hold no preference.
 */
export async function sampleRollout(
  writer: TextGenerator,
  prompts: readonly Prompt[],
  sampling: RolloutSampling,
  stream: { seed: number; rollout: number },
): Promise<{ completions: JudgedCompletion[]; metrics: Record<string, number>; samples: Sample[] }> {
  const { groupSize, temperature, maxNewTokens, stopTokens, decode, judge } = sampling;
  const answers = await writer.generate({
    prompts: prompts.flatMap(({ tokens }) => Array.from({ length: groupSize }, () => tokens)),
    maxNewTokens,
    temperature,
    stopTokens,
    seed: Math.floor(random(stream.seed, 'rollout', stream.rollout)() * 2 ** 32),
  });
  const texts = answers.map((answer) => decode(withoutStop(answer)));
  const groups = prompts.map((prompt, i) => ({
    prompt: prompt.text,
    ...(prompt.reference && { reference: prompt.reference }),
    completions: texts.slice(i * groupSize, (i + 1) * groupSize),
  }));
  const rewards = await judgeRewards(judge, groups);
  const completions = rewards.flatMap((group, i) => {
    if (group.every((reward) => reward === group[0])) return [];
    const prompt = prompts[i]!.tokens;
    return groupAdvantages(group).map((advantage, j) => ({
      tokens: joined(prompt, answers[i * groupSize + j]!.tokens),
      promptLength: prompt.length,
      advantage,
    }));
  });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const flat = rewards.flat();
  return {
    completions,
    metrics: {
      reward_mean: mean(flat),
      pass_rate: mean(flat.map((reward) => Number(reward >= 1))),
      completion_length: mean(answers.map(({ tokens }) => tokens.length)),
      stop_rate: mean(answers.map(({ stopped }) => Number(stopped))),
      informative_groups: completions.length / flat.length,
    },
    samples: flat.map((reward, i) => ({
      prompt: prompts[Math.floor(i / groupSize)]!.text,
      completion: texts[i]!,
      reward,
    })),
  };
}

/** The answer itself, without the token that ended it. */
export function withoutStop({ tokens, stopped }: Completion): Int32Array {
  return stopped ? tokens.subarray(0, -1) : tokens;
}

function joined(prompt: Int32Array, completion: Int32Array): Int32Array {
  const tokens = new Int32Array(prompt.length + completion.length);
  tokens.set(prompt);
  tokens.set(completion, prompt.length);
  return tokens;
}
