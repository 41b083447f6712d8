import type { DemoReport } from './report.ts';

export interface Gate {
  passed: boolean;
  required: string;
  measured: string;
}

const three = (value: number): string => value.toFixed(3);

/** What the demo claims, held against what was measured. A claim that fails makes the demo fail. */
export function gatesOf(
  report: Pick<DemoReport, 'bits_per_byte' | 'missing_word' | 'finetune' | 'rl'>,
): Record<string, Gate> {
  const { bits_per_byte: text, missing_word: words, finetune, rl } = report;
  const gain = rl.pass_at_1_after - rl.pass_at_1_before;
  const gate = (passed: boolean, required: string, measured: string): Gate => ({
    passed,
    required,
    measured,
  });
  return {
    'base model compresses better than gzip -9': gate(
      text.model < text.gzip,
      `bits per byte below ${three(text.gzip)}`,
      three(text.model),
    ),
    'missing words above the unigram baseline': gate(
      words.accuracy > words.unigram,
      `accuracy above ${three(words.unigram)}`,
      three(words.accuracy),
    ),
    'assistant answers unseen phrasings': gate(
      finetune.exact_match >= 0.8,
      'exact match of at least 0.8',
      three(finetune.exact_match),
    ),
    'assistant ends its answers': gate(
      finetune.stop_rate >= 0.95,
      'stop rate of at least 0.95',
      three(finetune.stop_rate),
    ),
    'pre-training pays': gate(
      finetune.exact_match - finetune.from_scratch >= 0.2,
      `at least 0.2 above the control from scratch (${three(finetune.from_scratch)})`,
      three(finetune.exact_match),
    ),
    'reinforcement raises sampled pass@1': gate(
      gain >= 0.1 && gain > 2 * rl.standard_error,
      `at least 0.1 and more than two standard errors (${three(2 * rl.standard_error)}) higher`,
      `${three(rl.pass_at_1_before)} -> ${three(rl.pass_at_1_after)}`,
    ),
    'greedy answers do not fall': gate(
      rl.greedy_after >= rl.greedy_before,
      `at least ${three(rl.greedy_before)}`,
      three(rl.greedy_after),
    ),
  };
}
