import path from 'node:path';
import { STAGES } from '@trainyard/contracts';
import { expect, test } from 'vitest';
import { parseWorkerConfig } from '../src/config.ts';

const DATABASE_URL = 'postgresql://localhost/trainyard';

test('defaults', () => {
  expect(parseWorkerConfig({ DATABASE_URL }, 'host-7')).toEqual({
    databaseUrl: DATABASE_URL,
    redisUrl: undefined,
    storageUrl: path.resolve('.trainyard/blobs'),
    cacheDir: path.resolve('.trainyard/cache'),
    name: 'host-7',
    stages: [...STAGES],
    backend: 'auto',
    leaseSeconds: 8,
    heartbeatSeconds: 2,
    reconcileSeconds: 1,
    shutdownSeconds: 25,
    logLevel: 'info',
  });
});

test('what is set is used, and what is set to nothing is not', () => {
  const config = parseWorkerConfig(
    { DATABASE_URL, REDIS_URL: '', WORKER_STAGES: 'rl, eval', LEASE_SECONDS: '4', HEARTBEAT_SECONDS: '0.5' },
    'host-7',
  );
  expect(config).toMatchObject({
    redisUrl: undefined,
    stages: ['rl', 'eval'],
    leaseSeconds: 4,
    heartbeatSeconds: 0.5,
  });
});

test.each([
  [{ DATABASE_URL: '' }, 'DATABASE_URL', /is not set/],
  [{ WORKER_STAGES: 'pretrain,sleep' }, 'WORKER_STAGES', /names sleep, .*pretrain/],
  [{ WORKER_STAGES: ',' }, 'WORKER_STAGES', /none of: all/],
  [{ LEASE_SECONDS: 'long' }, 'LEASE_SECONDS', /is long; it must be a number above 0/],
  [{ HEARTBEAT_SECONDS: '0' }, 'HEARTBEAT_SECONDS', /is 0/],
  [{ SHUTDOWN_SECONDS: '-1' }, 'SHUTDOWN_SECONDS', /is -1/],
  [{ LEASE_SECONDS: '4', HEARTBEAT_SECONDS: '3' }, 'HEARTBEAT_SECONDS', /more than half of LEASE_SECONDS 4/],
])('refuses %j', (env, param, message) => {
  expect(() => parseWorkerConfig({ DATABASE_URL, ...env }, 'host-7')).toThrow(
    expect.objectContaining({ code: 'invalid_config', param, message: expect.stringMatching(message) }),
  );
});
