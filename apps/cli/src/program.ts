import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { backupCommands } from './commands/backup.ts';
import { chatCommand } from './commands/chat.ts';
import { checkpointCommands } from './commands/checkpoints.ts';
import { datasetCommands } from './commands/datasets.ts';
import { demoCommand } from './commands/demo.ts';
import { feedbackCommands } from './commands/feedback.ts';
import { keyCommands } from './commands/keys.ts';
import { lineageCommand } from './commands/lineage.ts';
import { pipelineCommands } from './commands/pipelines.ts';
import { runCommands } from './commands/runs.ts';
import { tokenizerCommands } from './commands/tokenizers.ts';
import { upCommand } from './commands/up.ts';
import { workerCommands } from './commands/workers.ts';
import type { Context } from './context.ts';
import { EXIT_HELP } from './exit-code.ts';

/** Every command. Usage errors are thrown as `CommanderError`, all others as they are. */
export function buildProgram(context: Context): Command {
  const program = new Command('trainyard')
    .description('Train language-model assistants: queued, resumable, traceable.')
    .version(packageJson.version)
    .option('--json', 'write JSON to stdout, and nothing else')
    .option('--url <url>', 'address of the API (TRAINYARD_URL)')
    .addHelpText('after', EXIT_HELP)
    .configureOutput({
      writeOut: (text) => context.terminal.out.write(text),
      writeErr: (text) => context.terminal.err.write(text),
    });
  for (const add of [
    upCommand,
    demoCommand,
    backupCommands,
    datasetCommands,
    tokenizerCommands,
    runCommands,
    pipelineCommands,
    checkpointCommands,
    lineageCommand,
    workerCommands,
    keyCommands,
    feedbackCommands,
    chatCommand,
  ])
    add(program, context);
  throwInsteadOfExiting(program);
  return program;
}

function throwInsteadOfExiting(command: Command): void {
  command.exitOverride().showHelpAfterError('(--help tells what there is)');
  for (const child of command.commands) throwInsteadOfExiting(child as Command);
}
