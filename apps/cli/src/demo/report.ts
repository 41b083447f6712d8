import type { Lineage, Pipeline, Run } from '@trainyard/contracts';
import { type Gate, gatesOf } from './gates.ts';

/** What reports/demo.json holds; every figure comes from a run's result. */
export interface DemoReport {
  bits_per_byte: { model: number; bigram: number; gzip: number };
  missing_word: { accuracy: number; unigram: number };
  finetune: { exact_match: number; stop_rate: number; base: number; from_scratch: number; n: number };
  rl: {
    pass_at_1_before: number;
    pass_at_1_after: number;
    /** Of the difference. */
    standard_error: number;
    greedy_before: number;
    greedy_after: number;
    n: number;
  };
  knowledge_cutoff: string | null;
  lineage: Lineage;
  seconds: Record<string, number>;
  backend: string;
  gates: Record<string, Gate>;
  samples: { question: string; base: string; assistant: string; rl: string; reference: string }[];
}

/** Reads the figures off a pipeline that has succeeded. */
export function demoReport(
  pipeline: Pipeline,
  lineage: Lineage,
  about: { seconds: number; samples: DemoReport['samples'] },
): DemoReport {
  const runs = new Map(pipeline.runs.map((run) => [run.pipeline_stage, run]));
  const run = (stage: string): Run => runs.get(stage)!;
  const value = (stage: string, name: string): number => run(stage).result![name] as number;
  const measured = {
    bits_per_byte: {
      model: value('text', 'bits_per_byte'),
      bigram: value('text', 'bigram_bits_per_byte'),
      gzip: value('text', 'gzip_bits_per_byte'),
    },
    missing_word: {
      accuracy: value('missing-words', 'accuracy'),
      unigram: value('missing-words', 'unigram_accuracy'),
    },
    finetune: {
      exact_match: value('answers-of-assistant', 'accuracy'),
      stop_rate: value('answers-of-assistant', 'stop_rate'),
      base: value('answers-of-base', 'accuracy'),
      from_scratch: value('answers-of-scratch', 'accuracy'),
      n: value('answers-of-assistant', 'questions'),
    },
    rl: {
      pass_at_1_before: value('before-rl', 'pass_at_1'),
      pass_at_1_after: value('after-rl', 'pass_at_1'),
      standard_error: Math.hypot(
        value('before-rl', 'pass_at_1_standard_error'),
        value('after-rl', 'pass_at_1_standard_error'),
      ),
      greedy_before: value('before-rl', 'accuracy'),
      greedy_after: value('after-rl', 'accuracy'),
      n: value('after-rl', 'questions'),
    },
  };
  const seconds = Object.fromEntries(
    pipeline.runs.map((one) => [one.pipeline_stage!, Math.round(one.training_seconds * 10) / 10]),
  );
  return {
    ...measured,
    knowledge_cutoff: lineage.knowledge_cutoff,
    lineage,
    seconds: { ...seconds, total: Math.round(about.seconds * 10) / 10 },
    backend: run('base').backend ?? 'unknown',
    gates: gatesOf(measured),
    samples: about.samples,
  };
}
