import { CommanderError } from 'commander';
import { describeError, EXIT, exitCodeOf, Failure } from './exit-code.ts';
import { buildProgram } from './program.ts';
import { openTerminal } from './terminal/terminal.ts';

// `trainyard runs list | head` closes the pipe early: that is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

const program = buildProgram({
  env: process.env,
  terminal: openTerminal(process, process.env),
  stdin: process.stdin,
  now: () => performance.now(),
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else if (error instanceof Failure) process.exitCode = error.status;
  else {
    process.stderr.write(`${describeError(error, program.opts().json === true)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
