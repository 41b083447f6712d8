// Sets up a fresh clone and then runs a command of it: node scripts/bootstrap.mjs [demo|start|test] [arguments]
// Plain Node.js with no dependencies, since nothing is installed yet. Quick when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { follow } from './follow.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MINIMUM_NODE = [20, 19];
const [command = 'setup', ...args] = process.argv.slice(2);

const CLI = ['--conditions=source', '--import', 'tsx', 'apps/cli/src/main.ts'];
const COMMANDS = {
  setup: () => 0,
  demo: () => runNode([...CLI, 'demo', ...args]),
  start: () => runNode([...CLI, 'up', ...args]),
  test: async () => {
    const { prepareRedis } = await import('./redis.mjs');
    const redis = prepareRedis(say);
    if (!redis.available) fail('Redis, which the tests of the queue need', redis.reason, redis.advice);
    return runNode(['node_modules/vitest/vitest.mjs', 'run', ...args]);
  },
};

function runNode(nodeArguments) {
  return follow(process.execPath, nodeArguments, { cwd: root });
}

function say(message) {
  process.stderr.write(`${message}\n`);
}

/** What failed, why, what to do. */
function fail(what, why, advice) {
  say(`\nCould not set up ${what}.\n  Why: ${why}\n  What to do: ${advice}`);
  process.exit(1);
}

function run(program, programArguments) {
  const result = spawnSync(program, programArguments, { cwd: root, stdio: 'inherit' });
  if (result.error) fail(path.basename(program), result.error.message, 'see the message above');
  return result.status ?? 1;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(
    'Trainyard',
    `this is Node.js ${process.versions.node}; it needs ${MINIMUM_NODE.join('.')} or later`,
    'install a newer Node.js',
  );
}

/** Installs what package-lock.json says, unless that is what node_modules holds already. */
function installPackages() {
  const stamp = path.join(root, 'node_modules/.trainyard-installed');
  const want = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .update(process.platform + process.arch)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('Installing the packages of package-lock.json (about a minute) ...');
  // npm's own location when npm runs this, else the npm on PATH
  const npm = process.env.npm_execpath;
  const ci = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const status = npm?.endsWith('.js') ? run(process.execPath, [npm, ...ci]) : run('npm', ci);
  if (status !== 0)
    fail(
      'the packages',
      `npm ci ended with ${status}`,
      'read its message above; it needs access to an npm registry',
    );
  writeFileSync(stamp, want);
}

async function generateClient() {
  try {
    const { generatePrisma } = await import('./generate-prisma.mjs');
    generatePrisma();
  } catch (error) {
    fail('the Prisma client', error.message, 'remove node_modules and try again');
  }
}

/** Never fails: without the native library there is WebAssembly. */
async function prepareBackend() {
  const { prepareNativeTensorFlow } = await import('./native-tensorflow.mjs');
  const native = await prepareNativeTensorFlow({ log: say, root });
  if (!native.available)
    say(
      `Native TensorFlow is not to be had here (${native.reason}). Training runs on WebAssembly, several times slower.`,
    );
}

const action = COMMANDS[command];
if (!action)
  fail(`"${command}"`, 'there is no such command', `use one of: ${Object.keys(COMMANDS).join(', ')}`);
checkNode();
installPackages();
await generateClient();
await prepareBackend();
process.exit(await action());
