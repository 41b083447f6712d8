import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  isFinal,
  type Pipeline,
  type Run,
  TrainyardError,
  type Worker,
} from '@trainyard/contracts';
import type { Context } from '../context.ts';
import { Failure } from '../exit-code.ts';
import { duration } from '../terminal/figures.ts';
import { LiveLines } from '../terminal/live-lines.ts';
import { progressBar } from '../watch/run-line.ts';
import { followPipeline, stageLine } from '../watch/watch-pipeline.ts';
import { heldOutQuestions, importData } from './import-data.ts';
import { demoPipeline } from './pipeline.ts';
import { PRESETS, type PresetName } from './presets.ts';
import { type DemoReport, demoReport } from './report.ts';
import { reportText } from './report-text.ts';

const WORKER_MS = 120_000;

export interface DemoRun {
  context: Context;
  client: Client;
  preset: PresetName | undefined;
  logs: string;
  /** Folder for the report. */
  reports: string;
  /** Aborted once the stack is being stopped: a lost API is then no outage to wait out. */
  over: AbortSignal;
}

/** Imports, trains, measures and reports, over REST alone. Throws `Failure` if a run does not succeed. */
export async function runDemo({
  context,
  client,
  preset: chosen,
  logs,
  reports,
  over,
}: DemoRun): Promise<DemoReport> {
  const { terminal, now } = context;
  const say = (line: string) => void terminal.out.write(`${line}\n`);
  const began = now();
  const worker = await firstWorker(client, logs);
  const native = worker.backend === 'tensorflow';
  const name = chosen ?? (native ? 'full' : 'wasm');
  const preset = PRESETS[name];
  say(`Backend: ${worker.backend} ${worker.backend_version ?? ''} on ${worker.device}; preset ${name}.`);
  if (!native)
    say('Native TensorFlow is not used: training takes several times as long, on a smaller preset.');
  say('Importing text, questions and prompts from WordNet and the World Factbook ...');
  await importData(client, preset);
  const { id } = await client.pipelines.create(demoPipeline(preset));
  say(`Pipeline ${id} is queued.`);
  const pipeline = await watch(context, client, id, over);
  if (pipeline.state !== 'succeeded') {
    for (const run of pipeline.runs) if (run.state === 'failed') say(`${stageLine(run)}`);
    say(`The pipeline ${pipeline.state}. Logs: ${logs}`);
    throw new Failure(pipeline.state);
  }
  const final = pipeline.runs.find((run) => run.pipeline_stage === 'rl')!.checkpoint_id!;
  const lineage = await client.lineage('checkpoint', final, 'up');
  await nameModels(client, pipeline);
  const report = demoReport(pipeline, lineage, {
    seconds: (now() - began) / 1000,
    samples: await sideBySide(client),
  });
  await writeReport(report, reports);
  say(`\n${reportText(report)}`);
  say(`Written to ${path.join(reports, 'demo.md')} and ${path.join(reports, 'demo.json')}.`);
  return report;
}

async function firstWorker(client: Client, logs: string): Promise<Worker> {
  const until = performance.now() + WORKER_MS;
  while (performance.now() < until) {
    const { data } = await client.workers.list({ live: true });
    if (data[0]) return data[0];
    await sleep(200);
  }
  throw new TrainyardError(
    'internal',
    `No worker was ready within ${WORKER_MS / 1000} s; see worker-1.log in ${logs}.`,
  );
}

async function watch(
  { terminal, now }: Context,
  client: Client,
  id: string,
  over: AbortSignal,
): Promise<Pipeline> {
  const live = new LiveLines(terminal, now);
  const ended = new Set<string>();
  let last: Pipeline | undefined;
  for await (const pipeline of followPipeline(client, id, now, over)) {
    last = pipeline;
    for (const run of pipeline.runs)
      if (isFinal(run.state) && !ended.has(run.id)) {
        ended.add(run.id);
        live.note(`${place(pipeline, run)} ${stageLine(run)}`);
      }
    const active = pipeline.runs.filter(
      (run) => !isFinal(run.state) && run.state !== 'waiting' && run.state !== 'queued',
    );
    const lines = () =>
      active.map(
        (run) =>
          `${place(pipeline, run)} ${run.progress ? `${progressBar(run.progress)} ` : ''}${stageLine(run)}`,
      );
    live.show(lines, () => lines().join('\n') || 'waiting for a worker');
  }
  live.clear();
  return last!;
}

const place = (pipeline: Pipeline, run: Run): string =>
  `[${String(pipeline.runs.indexOf(run) + 1).padStart(2)}/${pipeline.runs.length}]`;

/** base@demo, assistant@demo and rl@demo, for chatting. */
async function nameModels(client: Client, pipeline: Pipeline): Promise<void> {
  for (const run of pipeline.runs)
    if (['base', 'assistant', 'rl'].includes(run.pipeline_stage!) && run.checkpoint_id)
      await client.aliases.set(`${run.pipeline_stage}@demo`, run.checkpoint_id);
}

/** The same held-out questions to the three models, asked as anybody would. */
async function sideBySide(client: Client): Promise<DemoReport['samples']> {
  const ask = async (model: string, question: string) => {
    const messages = [{ role: 'user' as const, content: question }];
    return (await client.checkpoints.chat(model, { messages, max_tokens: 16 })).text;
  };
  const samples = heldOutQuestions().map((sample) => ({ ...sample, base: '', assistant: '', rl: '' }));
  for (const model of ['base', 'assistant', 'rl'] as const)
    for (const sample of samples) sample[model] = await ask(`${model}@demo`, sample.question);
  return samples;
}

async function writeReport(report: DemoReport, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'demo.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(path.join(folder, 'demo.md'), reportText(report));
}

export const missedGates = (report: DemoReport): string[] =>
  Object.entries(report.gates).flatMap(([name, gate]) =>
    gate.passed ? [] : [`${name}: required ${gate.required}, measured ${gate.measured}`],
  );

export const demoTime = (report: DemoReport): string => duration(report.seconds.total!);
