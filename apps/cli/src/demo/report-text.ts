import { lineageTree } from '../lineage-tree.ts';
import { duration } from '../terminal/figures.ts';
import { oneLine } from '../terminal/terminal.ts';
import type { DemoReport } from './report.ts';

const three = (value: number): string => value.toFixed(3);

function markdownTable(titles: string[], rows: string[][]): string[] {
  const cell = (text: string): string => oneLine(text).replaceAll('|', '\\|').trim() || ' ';
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map((row) => line(row.map(cell)))];
}

/** The report as Markdown; it reads as well on a terminal. */
export function reportText(report: DemoReport): string {
  const { bits_per_byte: text, missing_word: words, finetune, rl, seconds } = report;
  const { total, ...stages } = seconds;
  return [
    '# Trainyard demo',
    '',
    `Backend: ${report.backend}. Knowledge cut-off: ${report.knowledge_cutoff ?? 'unknown'}. Total: ${duration(total!)}.`,
    '',
    '## Held-out figures',
    '',
    ...markdownTable(
      ['measure', 'value', 'against'],
      [
        [
          'base model, bits per byte',
          three(text.model),
          `bigram ${three(text.bigram)}, gzip -9 ${three(text.gzip)}`,
        ],
        ['missing words, accuracy', three(words.accuracy), `unigram ${three(words.unigram)}`],
        [
          `assistant, exact match on ${finetune.n} questions in unseen phrasings`,
          three(finetune.exact_match),
          `base ${three(finetune.base)}, from scratch ${three(finetune.from_scratch)}`,
        ],
        ['assistant, answers that end by themselves', three(finetune.stop_rate), ''],
        [
          `RL, sampled pass@1 on ${rl.n} unseen prompts`,
          three(rl.pass_at_1_after),
          `before ${three(rl.pass_at_1_before)}, standard error of the difference ${three(rl.standard_error)}`,
        ],
        ['RL, greedy', three(rl.greedy_after), `before ${three(rl.greedy_before)}`],
      ],
    ),
    '',
    '## Gates',
    '',
    ...markdownTable(
      ['claim', 'required', 'measured', ''],
      Object.entries(report.gates).map(([name, gate]) => [
        name,
        gate.required,
        gate.measured,
        gate.passed ? 'passed' : 'FAILED',
      ]),
    ),
    '',
    '## The same questions, three models',
    '',
    ...markdownTable(
      ['question', 'reference', 'base model', 'assistant', 'after RL'],
      report.samples.map((sample) => [
        sample.question,
        sample.reference,
        sample.base,
        sample.assistant,
        sample.rl,
      ]),
    ),
    '',
    '## Wall time',
    '',
    ...markdownTable(
      ['stage', 'seconds'],
      Object.entries(stages).map(([name, value]) => [name, value.toFixed(1)]),
    ),
    '',
    '## Lineage of the final checkpoint',
    '',
    '```',
    ...lineageTree(report.lineage, 'up'),
    '```',
    '',
  ].join('\n');
}
