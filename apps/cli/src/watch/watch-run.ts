import { isFinal, type Run, type RunEvent, type RunMetric } from '@trainyard/contracts';
import type { Session } from '../context.ts';
import { Failure } from '../exit-code.ts';
import { duration, sparkline } from '../terminal/figures.ts';
import { LiveLines } from '../terminal/live-lines.ts';
import { oneLine } from '../terminal/terminal.ts';
import { followRun } from './follow-run.ts';
import { leadingMetric, progressBar, progressText, reasonOf } from './run-line.ts';

/** Points kept for the curve; beyond it every second one goes. */
const POINTS = 2048;

/**
 * Shows a run live until it is final. With --json: one line for each item of the stream, `{type: 'metric' | 'event',
 * cursor, data}`, and at last `{type: 'run', data}`. Throws `Failure` unless the run succeeded.
 */
export async function watchRun(session: Session, id: string): Promise<void> {
  const { terminal, now } = session;
  const live = new LiveLines(terminal, now);
  let curve: number[] = [];
  let run: Run | undefined;
  const line = (value: unknown) => terminal.out.write(`${JSON.stringify(value)}\n`);
  for await (const news of followRun(session.client, id, now)) {
    if (news.type === 'run') run = news.run;
    if (session.json) {
      if (news.type === 'item') line(news.item);
      continue;
    }
    if (news.type === 'disconnected') live.note(`connection lost (${news.reason}); trying again`);
    else if (news.type === 'item' && news.item.type === 'metric') curve = extend(curve, news.item.data);
    else if (news.type === 'item') noteEvent(live, news.item.data as RunEvent);
    if (run && !isFinal(run.state)) showProgress(live, run, curve);
  }
  if (!run) return;
  live.clear();
  if (session.json) line({ type: 'run', data: run });
  else terminal.out.write(`${summary(run, session)}\n`);
  if (run.state !== 'succeeded') throw new Failure(run.state);
}

function extend(curve: number[], { values }: RunMetric): number[] {
  const metric = leadingMetric(values);
  if (metric) curve.push(metric[1]);
  return curve.length <= POINTS ? curve : curve.filter((_, i) => i % 2 === 0);
}

function noteEvent(live: LiveLines, { type, at, data }: RunEvent): void {
  if (type === 'samples') return;
  const text = type === 'state' ? `${data.from} -> ${data.to}` : oneLine(JSON.stringify(data).slice(0, 200));
  live.note(`${at.slice(11, 19)}  ${type}  ${text}`);
}

function showProgress(live: LiveLines, run: Run, curve: number[]): void {
  const { progress } = run;
  const title = `${run.stage} ${run.name ?? run.id}: ${run.state}${reasonOf(run)}`;
  live.show(
    () => [
      title,
      ...(progress ? [`${progressBar(progress)}  ${progressText(progress)}`] : []),
      ...(curve.length > 1 ? [`${sparkline(curve, 48)}  (Ctrl-C stops watching, not the run)`] : []),
    ],
    () => `${title}${progress ? `  ${progressText(progress)}` : ''}`,
  );
}

function summary(run: Run, { terminal }: Session): string {
  const good = run.state === 'succeeded';
  const head = terminal.style(good ? 'green' : 'red', `${run.state}${good ? '' : reasonOf(run)}`);
  return [
    `${run.stage} ${run.name ?? run.id}: ${head} after ${duration(run.training_seconds)}`,
    ...(run.checkpoint_id ? [`checkpoint ${run.checkpoint_id}`] : []),
    ...(run.result ? [oneLine(JSON.stringify(withoutAnswers(run.result)))] : []),
  ].join('\n');
}

/** An evaluation's result carries sample answers, too long for a line. */
const withoutAnswers = ({ answers: _, ...result }: Record<string, unknown>) => result;
