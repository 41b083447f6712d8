import { type Run, type RunEstimate, STAGES, type Stage } from '@trainyard/contracts';
import { type Command, Option } from 'commander';
import { type Context, collect, numberOption, type Session, withSession } from '../context.ts';
import { readJson, withSetting } from '../read-input.ts';
import { bytes, duration, short } from '../terminal/figures.ts';
import { fields } from '../terminal/table.ts';
import { watchRun } from '../watch/watch-run.ts';

interface SubmitOptions {
  stage: Stage;
  name?: string;
  dataset?: string[];
  tokenizer?: string;
  base?: string;
  rewardModel?: string;
  config?: string;
  set?: string[];
  seed?: number;
  maxAttempts?: number;
  idempotencyKey?: string;
  dryRun?: boolean;
  watch?: boolean;
}

export function submitCommand(runs: Command, context: Context): void {
  runs
    .command('submit')
    .description('queue a run')
    .addOption(new Option('--stage <stage>', 'what to do').choices(STAGES).makeOptionMandatory())
    .option('--name <name>')
    .option('--dataset <version>', 'id or name@version (name alone: the latest); several times', collect)
    .option('--tokenizer <id>', 'of a pretrain run')
    .option('--base <checkpoint>', 'the checkpoint to start from: an id or name@alias')
    .option('--reward-model <checkpoint>', 'of an rl run with judge reward_model')
    .option('--config <json>', "the stage's options: JSON, a file of it, or - for standard input")
    .option('--set <option=value>', 'one option, such as optimization.steps=10; several times', collect)
    .option('--seed <n>', 'where all randomness comes from (1)', numberOption('--seed'))
    .option(
      '--max-attempts <n>',
      'attempts that may die without progress (10)',
      numberOption('--max-attempts'),
    )
    .option('--idempotency-key <key>', 'a repeated request with the same key makes one run')
    .option('--dry-run', 'check it and estimate what it takes; queue nothing')
    .option('--watch', 'follow it live')
    .action(withSession(context, submit));
}

async function submit(session: Session, options: SubmitOptions): Promise<void> {
  const { client } = session;
  const {
    stage,
    name,
    dataset = [],
    tokenizer,
    base,
    rewardModel,
    seed,
    maxAttempts,
    idempotencyKey,
  } = options;
  let config = options.config ? await readJson(options.config, session.stdin, '--config') : {};
  for (const setting of options.set ?? []) config = withSetting(config, setting);
  const request = {
    stage,
    inputs: {
      datasets: dataset,
      ...(tokenizer && { tokenizer }),
      ...(base && { base }),
      ...(rewardModel && { reward_model: rewardModel }),
    },
    config,
    ...(name && { name }),
    ...(seed !== undefined && { seed }),
    ...(maxAttempts !== undefined && { max_attempts: maxAttempts }),
  };
  if (options.dryRun) return session.print(await client.runs.estimate(request), showEstimate);
  const run = await client.runs.create(request, idempotencyKey ? { idempotencyKey } : {});
  if (!options.watch) return session.print(run, showSubmitted);
  if (!session.json) session.terminal.out.write(`${run.id}\n`);
  await watchRun(session, run.id);
}

const showSubmitted = ({ id, state, stage }: Run): string =>
  `${stage} run ${id} is ${state}; follow it: trainyard runs watch ${id}`;

const count = (value: number | null): string | null => (value === null ? null : short(value));

const showEstimate = (estimate: RunEstimate): string =>
  [
    'This would run:',
    fields({
      parameters: count(estimate.parameters),
      steps: estimate.steps,
      tokens: count(estimate.tokens),
      epochs: estimate.epochs?.toFixed(2),
      operations: count(estimate.floating_point_operations),
      memory: estimate.memory_bytes === null ? null : bytes(estimate.memory_bytes),
      time: estimate.seconds === null ? null : `about ${duration(estimate.seconds)}`,
    }),
    JSON.stringify(estimate.config, undefined, 2),
  ].join('\n');
