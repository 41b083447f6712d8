// The stack of docker-compose.yml on a real Docker Engine: it starts, trains, is scaled, loses a worker in mid-run and
// finishes all the same. Docker and Compose are found as usual (DOCKER_HOST); node tests/compose/run.mjs
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { compose, containersOf, inContainer, inspect, killInside } from './stack.mjs';
import { pipeline, questions, text } from './sums.mjs';

const WORKER = 'node apps/worker/dist/main.js';
const UP = ['up', '--detach', '--no-build'];
const adminKey = `compose-${randomBytes(16).toString('hex')}`;
const port = await freePort();
Object.assign(process.env, { TRAINYARD_ADMIN_KEY: adminKey, API_PORT: String(port), LEASE_SECONDS: '8' });
const began = performance.now();
let passed = 0;

function says(what) {
  passed += 1;
  console.log(`ok ${passed} - ${what} (${Math.round((performance.now() - began) / 1000)} s)`);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: free } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return free;
}

async function call(method, path, body, type = 'application/json') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, ...(body !== undefined && { 'content-type': type }) },
    body: typeof body === 'object' ? JSON.stringify(body) : body,
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.text();
  assert.ok(response.ok, `${method} ${path} answered ${response.status}: ${answer}`);
  return JSON.parse(answer);
}

/** Asks until the answer is there: `look` gives it, or undefined to be asked again. */
async function until(what, seconds, look) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, `${what}: not within ${seconds} s`);
    await sleep(500);
  }
}

const liveWorkers = async () => (await call('GET', '/v1/workers?live=true')).data;
const untilWorkers = (count) =>
  until(`${count} workers`, 120, async () => {
    const workers = await liveWorkers();
    return workers.length === count ? workers : undefined;
  });

async function upload(name, kind, data, type) {
  const { id } = await call('POST', '/v1/datasets', { name, kind });
  return call('POST', `/v1/datasets/${id}/versions?held_out_fraction=0.2`, data, type);
}

function isHardened() {
  const containers = containersOf('postgres', 'redis', 'api', 'worker');
  assert.equal(containers.length, 4);
  for (const { Id: id, Name: name, HostConfig: host, State: state } of containers) {
    assert.equal(state.Health.Status, 'healthy', name);
    assert.equal(host.ReadonlyRootfs, true, name);
    assert.deepEqual(host.CapDrop, ['ALL'], name);
    assert.notEqual(inContainer(id, 'stat -c %u /proc/1'), '0', `${name} runs as root`);
    assert.match(inContainer(id, 'grep CapEff /proc/1/status'), /\b0+$/, `${name} has capabilities`);
    assert.match(inContainer(id, 'touch /written 2>&1 || true'), /Read-only file system/, name);
  }
}

async function scenario() {
  compose([...UP, '--wait', '--wait-timeout', '180'], { timeoutMs: 240_000 });
  const [migration] = containersOf('migrate');
  assert.deepEqual([migration.State.Status, migration.State.ExitCode], ['exited', 0]);
  says('the stack is up and healthy, after one container has applied the migrations');
  isHardened();
  says('Postgres, Redis, API and worker are not root, have no capabilities and cannot write to their images');

  const [only] = await untilWorkers(1);
  console.log(`   the worker computes with ${only.backend} ${only.backend_version ?? ''} on ${only.device}`);
  await upload('sums-text', 'text', text, 'text/plain');
  await upload('sums-questions', 'instruction', questions, 'application/x-ndjson');
  const { id } = await call('POST', '/v1/pipelines', pipeline);
  const runOf = async (stage) =>
    (await call('GET', `/v1/pipelines/${id}`)).runs.find(({ pipeline_stage }) => pipeline_stage === stage);
  await until('pre-training', 120, async () =>
    (await runOf('base')).state === 'running' ? true : undefined,
  );
  says('a pipeline submitted over REST has come to pre-training');

  compose([...UP, '--no-recreate', '--scale', 'worker=3']);
  await untilWorkers(3);
  says('one worker became three');

  const base = await until('a checkpoint', 60, async () => {
    const run = await runOf('base');
    return run.checkpoint_id && run.progress ? run : undefined;
  });
  assert.equal(base.state, 'running', 'pre-training ended before it could be disturbed');
  const { hostname } = await call('GET', `/v1/workers/${base.worker_id}`);
  killInside(hostname, WORKER);
  says(`the worker was killed at step ${base.progress.step} of ${base.progress.total_steps}`);

  const done = await until('the end of the pipeline', 600, async () => {
    const { state, runs } = await call('GET', `/v1/pipelines/${id}`);
    const progress = runs.map((run) => `${run.pipeline_stage} ${run.state}`).join(', ');
    assert.ok(['running', 'succeeded'].includes(state), `the pipeline is ${state}: ${progress}`);
    return state === 'succeeded' ? runs : undefined;
  });
  says('the pipeline succeeded');
  const { data: attempts } = await call('GET', `/v1/runs/${base.id}/attempts`);
  assert.ok(attempts.length > 1, 'pre-training had one attempt');
  assert.ok(attempts.at(-1).start_step > 0, 'the last attempt began at step 0');
  says(`pre-training took ${attempts.length} attempts; the last began at step ${attempts.at(-1).start_step}`);
  const bits = done.find(({ pipeline_stage }) => pipeline_stage === 'text').result;
  console.log(`   held-out: ${JSON.stringify(bits)}`);

  const [{ Id: api }] = containersOf('api');
  const maintain = (line) => inContainer(api, `node apps/api/dist/maintenance.js ${line}`);
  assert.match(maintain('backup --to /tmp/backup'), /is complete\.$/);
  assert.match(maintain('verify --from /tmp/backup'), /all is well\.$/);
  assert.match(maintain('verify'), /all is well\.$/);
  says('the database and all blobs were backed up in the API container, and are well');

  const { RestartCount: restarts } = inspect(hostname);
  assert.ok(restarts >= 1, 'the container of the killed worker was not restarted');
  await untilWorkers(3);
  says('the killed worker is back');

  compose(['stop'], { timeoutMs: 120_000 });
  for (const { Name: name, State: state } of containersOf())
    assert.equal(state.ExitCode, 0, `${name} ended with ${state.ExitCode}`);
  says('stopping ends every container with exit code 0');
}

try {
  await scenario();
  console.log(`compose: ${passed} checks passed`);
} catch (error) {
  console.error(`\nnot ok ${passed + 1} - ${error.stack}`);
  compose(['ps', '--all'], { show: true });
  compose(['logs', '--no-color', '--tail', '30'], { show: true });
  process.exitCode = 1;
}
