import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const FOLLOW = join(resolve(import.meta.dirname, '../..'), 'scripts/follow.mjs');

function follow(program: string) {
  const source = `
    import { follow } from ${JSON.stringify(FOLLOW)};
    process.exit(await follow(process.execPath, ['-e', ${JSON.stringify(program)}]));`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'pipe' });
}

test('what follows ends as the program does', async () => {
  const child = follow('console.log("done"); process.exitCode = 3');
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect({ output, code }).toEqual({ output: 'done\n', code: 3 });
});

test('SIGTERM is the program’s, which ends in its own time; Ctrl-C has reached it already', async () => {
  const child = follow(`
    const signals = [];
    process.on('SIGINT', () => signals.push('SIGINT'));
    process.on('SIGTERM', () => setTimeout(() => { console.log(signals.concat('SIGTERM').join()); process.exit(0); }, 100));
    console.log('ready');
    setInterval(() => {}, 1000);`);
  const output = text(child.stdout);
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect({ output: await output, code }).toEqual({ output: 'ready\nSIGTERM\n', code: 0 });
});
