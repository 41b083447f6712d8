// A redis-server for the tests: REDIS_URL, or one on PATH, or installed with the system's package manager.
import { spawnSync } from 'node:child_process';

const INSTALLERS = [
  {
    program: 'apt-get',
    commands: [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', 'redis-server'],
    ],
  },
  { program: 'dnf', commands: [['dnf', 'install', '-y', '-q', 'redis']] },
  { program: 'apk', commands: [['apk', 'add', '--quiet', 'redis']] },
  { program: 'brew', commands: [['brew', 'install', '--quiet', 'redis']] },
];

const works = (program, args = ['--version']) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;

/** Makes a redis-server available to the tests, which start their own on a free port. Never throws. */
export function prepareRedis(say) {
  if (process.env.REDIS_URL || works('redis-server')) return { available: true };
  const advice =
    'install redis-server (for instance: apt-get install redis-server), or set REDIS_URL to a Redis that the tests may use';
  const installer = INSTALLERS.find(({ program }) => works(program));
  if (!installer)
    return { available: false, reason: 'there is none on PATH and no known package manager', advice };
  const root = process.getuid?.() === 0 || installer.program === 'brew';
  if (!root && !works('sudo', ['-n', 'true']))
    return {
      available: false,
      reason: `there is none on PATH, and installing it with ${installer.program} needs root`,
      advice,
    };
  say(`Installing redis-server with ${installer.program} ...`);
  for (const command of installer.commands) {
    const [program, ...args] = root ? command : ['sudo', '-n', ...command];
    const result = spawnSync(program, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (result.status !== 0) return { available: false, reason: `${command.join(' ')} failed`, advice };
  }
  return works('redis-server')
    ? { available: true }
    : { available: false, reason: 'it was installed but does not run', advice };
}
