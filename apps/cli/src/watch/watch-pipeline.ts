import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isFinal, type Pipeline, type Run, TrainyardError } from '@trainyard/contracts';
import type { Session } from '../context.ts';
import { Failure } from '../exit-code.ts';
import { duration } from '../terminal/figures.ts';
import { LiveLines } from '../terminal/live-lines.ts';
import { progressText, reasonOf } from './run-line.ts';

const POLL_MS = 1000;
const PATIENCE_MS = 60_000;

/**
 * A pipeline, again and again, until it has ended and every run is final. Throws `unavailable` once the API was away
 * for a minute, or is away once `over` is aborted.
 */
export async function* followPipeline(
  client: Client,
  id: string,
  now: () => number,
  over?: AbortSignal,
): AsyncGenerator<Pipeline, void, void> {
  let heard = now();
  for (;;) {
    try {
      const pipeline = await client.pipelines.get(id);
      heard = now();
      yield pipeline;
      if (pipeline.state !== 'running' && pipeline.runs.every(({ state }) => isFinal(state))) return;
    } catch (error) {
      const passing = error instanceof TrainyardError && error.status >= 500;
      if (!passing || over?.aborted || now() - heard > PATIENCE_MS) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** Shows every stage live. With --json: a line of JSON whenever something changed. Throws `Failure` unless it succeeds. */
export async function watchPipeline(session: Session, id: string): Promise<void> {
  const { terminal, json } = session;
  const live = new LiveLines(terminal, session.now);
  const states = new Map<string, string>();
  let shown = '';
  let last: Pipeline | undefined;
  for await (const pipeline of followPipeline(session.client, id, session.now)) {
    last = pipeline;
    if (json) {
      const text = JSON.stringify(pipeline);
      if (text !== shown) terminal.out.write(`${text}\n`);
      shown = text;
      continue;
    }
    for (const run of pipeline.runs) {
      if (!live.repaints && states.get(run.id) !== run.state) live.note(stageLine(run));
      states.set(run.id, run.state);
    }
    live.show(
      () => pipeline.runs.map(stageLine),
      () =>
        pipeline.runs
          .filter(({ state }) => state === 'running')
          .map(stageLine)
          .join('\n') || `${pipeline.state}: no stage is running`,
    );
  }
  if (!json && last) {
    live.clear();
    terminal.out.write(`${last.runs.map(stageLine).join('\n')}\n${last.name ?? last.id}: ${last.state}\n`);
  }
  if (last?.state !== 'succeeded') throw new Failure(last?.state);
}

export function stageLine(run: Run): string {
  const name = run.pipeline_stage ?? run.name ?? run.id;
  const detail = isFinal(run.state)
    ? run.started_at
      ? `after ${duration(run.training_seconds)}`
      : ''
    : run.progress
      ? progressText(run.progress)
      : '';
  return `${name.padEnd(20)}  ${run.stage.padEnd(10)}  ${run.state.padEnd(10)}  ${detail}${reasonOf(run)}`.trimEnd();
}
