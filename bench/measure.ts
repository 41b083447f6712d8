/**
 * One measuring process: node bench/measure.ts SPEC (JSON). It sets up, says `Ready`, answers each `Turn` with its
 * iterations' seconds, and at the end of its input says `Ended`; a line of JSON each. See spec.ts.
 */
import { createInterface } from 'node:readline';
import { loadBackend } from '@trainyard/tensor';
import { openForward } from './measure-forward.ts';
import { openGenerate } from './measure-generate.ts';
import { openTokenizer } from './measure-tokenizer.ts';
import { openTrain } from './measure-train.ts';
import type { Ended, Ready, Spec, Turn, Workload } from './spec.ts';

async function open(spec: Spec): Promise<Workload> {
  if ('documentsFile' in spec) return openTokenizer(spec);
  await loadBackend({ prefer: spec.backend, threads: spec.threads });
  switch (spec.workload) {
    case 'train':
      return openTrain(spec);
    case 'forward':
      return openForward(spec);
    case 'generate':
      return openGenerate(spec);
  }
}

async function seconds(workload: Workload): Promise<number> {
  const start = performance.now();
  await workload.iterate();
  return (performance.now() - start) / 1000;
}

async function take(turn: Turn, workload: Workload): Promise<number[]> {
  const taken: number[] = [];
  let sum = 0;
  while (taken.length < turn.iterations && (taken.length === 0 || sum < turn.seconds)) {
    taken.push(await seconds(workload));
    sum += taken.at(-1)!;
  }
  return taken;
}

const say = (line: Ready | number[] | Ended): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const workload = await open(JSON.parse(process.argv[2]!));
say({ firstSeconds: await seconds(workload), warmSeconds: await seconds(workload) });
for await (const line of createInterface({ input: process.stdin }))
  say(await take(JSON.parse(line), workload));
say({ peakBytes: process.resourceUsage().maxRSS * 1024, facts: workload.facts() });
