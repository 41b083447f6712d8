import type { Stack } from './stack.ts';

/**
 * From now on Ctrl-C and SIGTERM stop the stack in order; a second one ends it at once.
 * @returns resolves with the exit status of the first signal, once everything has stopped
 */
export function stopOnSignal(stack: Stack, say: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) {
        stack.kill();
        return;
      }
      asked = true;
      say(`${signal}: stopping the workers, the API and Postgres in order (again: at once) ...`);
      stack.stop().then(resolve, (error: Error) => {
        say(`Stopping failed: ${error.message}`);
        resolve();
      });
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  });
}
