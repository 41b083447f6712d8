import path from 'node:path';
import { STAGES, type Stage, TrainyardError } from '@trainyard/contracts';

export interface WorkerConfig {
  databaseUrl: string;
  redisUrl: string | undefined;
  storageUrl: string;
  cacheDir: string;
  name: string;
  stages: Stage[];
  backend: string;
  leaseSeconds: number;
  heartbeatSeconds: number;
  reconcileSeconds: number;
  shutdownSeconds: number;
  healthFile: string | undefined;
  logLevel: string;
}

/** Every environment variable that a worker reads, with its default and what it is for. */
const WORKER_ENVIRONMENT = {
  DATABASE_URL: { default: undefined, description: 'Postgres; required.' },
  REDIS_URL: {
    default: undefined,
    description: 'Redis for the queue; without it the queue lives in Postgres.',
  },
  STORAGE_URL: {
    default: '.trainyard/blobs',
    description: 'Where blobs are kept: a folder or s3://bucket/prefix.',
  },
  CACHE_DIR: { default: '.trainyard/cache', description: 'Token shards, made again when they are missing.' },
  WORKER_NAME: {
    default: 'the host name and process id',
    description: 'What the worker is called in lists and logs.',
  },
  WORKER_STAGES: {
    default: 'all',
    description: `Stages that it takes, comma-separated: ${STAGES.join(', ')}.`,
  },
  TRAINYARD_BACKEND: { default: 'auto', description: 'auto, tensorflow-gpu, tensorflow, wasm or cpu.' },
  LEASE_SECONDS: { default: '8', description: 'A worker that is silent for so long has lost its run.' },
  HEARTBEAT_SECONDS: {
    default: '2',
    description: 'How often it renews the lease and looks for cancel and pause.',
  },
  RECONCILE_SECONDS: {
    default: '1',
    description: 'How often, in turn with the API, runs and the queue are brought in line with Postgres.',
  },
  SHUTDOWN_SECONDS: { default: '25', description: 'Time to checkpoint and hand the run back on SIGTERM.' },
  HEALTH_FILE: {
    default: undefined,
    description:
      'A file to write at each heartbeat that reached Postgres: its age tells a health check enough.',
  },
  LOG_LEVEL: {
    default: 'info',
    description: 'pino level: fatal, error, warn, info, debug, trace or silent.',
  },
} as const;

type Environment = Record<string, string | undefined>;

/** Throws `invalid_config` naming the variable that is missing or wrong. */
export function parseWorkerConfig(env: Environment, defaultName: string): WorkerConfig {
  const read = (name: keyof typeof WORKER_ENVIRONMENT): string | undefined =>
    env[name] || WORKER_ENVIRONMENT[name].default;
  const leaseSeconds = positive('LEASE_SECONDS', read('LEASE_SECONDS'));
  const heartbeatSeconds = positive('HEARTBEAT_SECONDS', read('HEARTBEAT_SECONDS'));
  if (heartbeatSeconds * 2 > leaseSeconds)
    throw refuse(
      'HEARTBEAT_SECONDS',
      `is ${heartbeatSeconds}, more than half of LEASE_SECONDS ${leaseSeconds}`,
    );
  const databaseUrl = read('DATABASE_URL');
  if (!databaseUrl) throw refuse('DATABASE_URL', 'is not set; give the address of a Postgres database');
  return {
    databaseUrl,
    redisUrl: read('REDIS_URL'),
    storageUrl: absolute(read('STORAGE_URL')!),
    cacheDir: path.resolve(read('CACHE_DIR')!),
    name: env.WORKER_NAME || defaultName,
    stages: parseStages(read('WORKER_STAGES')!),
    backend: read('TRAINYARD_BACKEND')!,
    leaseSeconds,
    heartbeatSeconds,
    reconcileSeconds: positive('RECONCILE_SECONDS', read('RECONCILE_SECONDS')),
    shutdownSeconds: positive('SHUTDOWN_SECONDS', read('SHUTDOWN_SECONDS')),
    healthFile: read('HEALTH_FILE'),
    logLevel: read('LOG_LEVEL')!,
  };
}

/** A folder as an absolute path; other addresses as they are. */
const absolute = (storageUrl: string): string =>
  storageUrl.includes('://') ? storageUrl : path.resolve(storageUrl);

function parseStages(value: string): Stage[] {
  if (value === 'all') return [...STAGES];
  const names = value.split(',').map((name) => name.trim());
  for (const name of names)
    if (!(STAGES as readonly string[]).includes(name))
      throw refuse('WORKER_STAGES', `names ${name}, which is none of: all, ${STAGES.join(', ')}`);
  return names as Stage[];
}

function positive(name: string, value: string | undefined): number {
  const number = Number(value);
  if (!(number > 0)) throw refuse(name, `is ${value}; it must be a number above 0`);
  return number;
}

const refuse = (name: string, message: string) =>
  new TrainyardError('invalid_config', `${name} ${message}.`, { param: name });
