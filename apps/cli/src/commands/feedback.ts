import { createInterface } from 'node:readline/promises';
import { type Comparison, TrainyardError, VERDICTS, type Verdict } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, numberOption, type Session, withSession } from '../context.ts';
import { moreHint, type PageOptions, paged } from '../paging.ts';
import { fields, table } from '../terminal/table.ts';
import { printable } from '../terminal/terminal.ts';

export function feedbackCommands(program: Command, context: Context): void {
  const feedback = program.command('feedback').description('two answers, and which is the better one');
  paged(feedback.command('list'))
    .description('list comparisons, the newest first')
    .addOption(new Option('--state <state>').choices(['waiting', 'judged']))
    .option('--checkpoint <id>', 'only those of this checkpoint')
    .action(
      withSession(
        context,
        async (session, options: PageOptions & { state?: 'waiting' | 'judged'; checkpoint?: string }) => {
          session.print(
            await session.client.feedback.list(options),
            (page) =>
              table(
                ['ID', 'STATE', 'VERDICT', 'JUDGE', 'QUESTION', 'A', 'B'],
                page.data.map((one) => [
                  one.id,
                  one.state,
                  one.verdict,
                  one.judge,
                  ...[one.messages.at(-1)?.content ?? '', one.answer_a, one.answer_b].map(start),
                ]),
              ) + moreHint(page),
          );
        },
      ),
    );
  feedback
    .command('compare <checkpoint> <question>')
    .description('let an assistant answer twice; the pair waits for a judgement')
    .option('--temperature <t>', 'of sampling (1)', numberOption('--temperature'))
    .option('--max-tokens <n>', 'longest answer (32)', numberOption('--max-tokens'))
    .option('--seed <n>', 'of sampling (1)', numberOption('--seed'))
    .action(
      withSession(
        context,
        async (
          session,
          checkpoint: string,
          question: string,
          options: { temperature?: number; maxTokens?: number; seed?: number },
        ) => {
          const { temperature, maxTokens, seed } = options;
          const comparison = await session.client.feedback.compare({
            checkpoint,
            messages: [{ role: 'user', content: question }],
            ...(temperature === undefined ? {} : { temperature }),
            ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
            ...(seed === undefined ? {} : { seed }),
          });
          session.print(comparison, showComparison);
        },
      ),
    );
  feedback
    .command('judge [comparison] [verdict]')
    .description(`judge one (${VERDICTS.join(', ')}); without arguments, ask about all that wait`)
    .option('--judge <name>', "who judges (the key's name)")
    .option('--comment <text>')
    .action(withSession(context, judge));
  feedback
    .command('collect <dataset>')
    .description('make the judged comparisons a version of a preference dataset')
    .option('--checkpoint <checkpoint>', 'only those of this checkpoint')
    .option('--held-out <fraction>', 'share kept for evaluation (0.1)', numberOption('--held-out'))
    .action(
      withSession(
        context,
        async (session, dataset: string, options: { checkpoint?: string; heldOut?: number }) => {
          const { checkpoint, heldOut } = options;
          const request = {
            dataset,
            ...(checkpoint && { checkpoint }),
            ...(heldOut === undefined ? {} : { held_out_fraction: heldOut }),
          };
          session.print(
            await session.client.feedback.collect(request),
            (version) => `${version.dataset_name}@${version.version}: ${fields({ ...version.train })}`,
          );
        },
      ),
    );
}

interface JudgeOptions {
  judge?: string;
  comment?: string;
}

async function judge(
  session: Session,
  id: string | undefined,
  verdict: string | undefined,
  options: JudgeOptions,
): Promise<void> {
  if (id !== undefined && verdict !== undefined) {
    if (!(VERDICTS as readonly string[]).includes(verdict))
      throw new TrainyardError(
        'invalid_request',
        `The verdict is one of ${VERDICTS.join(', ')}, not ${verdict}.`,
        {
          param: 'verdict',
        },
      );
    const judged = await session.client.feedback.judge(id, { verdict: verdict as Verdict, ...options });
    return session.print(judged, showComparison);
  }
  const waiting = id
    ? [await session.client.feedback.get(id)]
    : (await session.client.feedback.list({ state: 'waiting', limit: 200 })).data;
  await ask(session, waiting, options);
}

/** Puts each comparison before the person at the terminal; an empty answer leaves it waiting. */
async function ask(session: Session, comparisons: Comparison[], options: JudgeOptions): Promise<void> {
  const { terminal, stdin, json, client } = session;
  if (json)
    throw new TrainyardError('invalid_request', 'With --json, give the comparison and the verdict.', {
      param: 'verdict',
    });
  const questions = createInterface({ input: stdin, output: terminal.out });
  const closed = new AbortController();
  questions.once('close', () => closed.abort());
  try {
    for (const comparison of comparisons) {
      terminal.out.write(`\n${showComparison(comparison)}\n`);
      const answer = await questions
        .question(`${VERDICTS.join(' / ')}? `, { signal: closed.signal })
        .catch(() => undefined);
      if (answer === undefined) return;
      const verdict = VERDICTS.find((one) => one === answer.trim().toLowerCase());
      if (verdict) await client.feedback.judge(comparison.id, { verdict, ...options });
      else terminal.out.write('left waiting\n');
    }
    if (comparisons.length === 0) terminal.out.write('nothing waits for a judgement\n');
  } finally {
    questions.close();
  }
}

const start = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

const showComparison = ({
  id,
  messages,
  answer_a,
  answer_b,
  state,
  verdict,
  judge: by,
}: Comparison): string =>
  printable(
    [
      `${id}  ${state}${verdict ? `: ${verdict}, by ${by}` : ''}`,
      ...messages.map(({ role, content }) => `  ${role}: ${content}`),
      `  A: ${answer_a}`,
      `  B: ${answer_b}`,
    ].join('\n'),
  );
