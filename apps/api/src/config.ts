import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { type ErrorDetail, TrainyardError } from '@trainyard/contracts';
import type { BackendPreference } from '@trainyard/tensor';
import { ENVIRONMENT, type Variable, type VariableName } from './environment.ts';

export interface Config {
  databaseUrl: string;
  redisUrl: string | undefined;
  storageUrl: string;
  host: string;
  port: number;
  adminKey: string | undefined;
  logLevel: string;
  importRoots: string[];
  maxUploadBytes: number;
  leaseSeconds: number;
  reconcileSeconds: number;
  retentionGraceSeconds: number;
  orphanGraceSeconds: number;
  inferenceBackend: BackendPreference;
  migrateOnStart: boolean;
  dataDir: string;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const BACKENDS = ['auto', 'tensorflow-gpu', 'tensorflow', 'wasm', 'cpu'];

/** The environment as a config. Throws `invalid_config` that lists every variable that is missing or wrong. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const problems: ErrorDetail[] = [];
  const wrong = (param: VariableName, message: string): void => {
    problems.push({ param, message });
  };
  const text = (name: VariableName): string | undefined => {
    const variable: Variable = ENVIRONMENT[name];
    const value = environment[name] || variable.default;
    if (value === undefined && variable.required) wrong(name, `is not set: ${variable.description}`);
    return value;
  };
  const number = (name: VariableName, minimum: number, maximum: number, whole = true): number => {
    const value = Number(text(name));
    const fits = (whole ? Number.isSafeInteger(value) : Number.isFinite(value)) && value >= minimum;
    if (!fits || value > maximum)
      wrong(name, `must be a ${whole ? 'whole ' : ''}number from ${minimum} to ${maximum}`);
    return value;
  };
  const oneOf = (name: VariableName, values: string[], fallback?: string): string => {
    const value = text(name) ?? fallback ?? '';
    if (!values.includes(value)) wrong(name, `must be one of ${values.join(', ')}`);
    return value;
  };
  const roots = (text('IMPORT_ROOTS') ?? '').split(delimiter).filter((root) => root !== '');
  if (!roots.every(isAbsolute)) wrong('IMPORT_ROOTS', 'must hold absolute folders only');
  const adminKey = text('TRAINYARD_ADMIN_KEY');
  if (adminKey !== undefined && !/^[\x21-\x7e]{16,200}$/.test(adminKey))
    wrong('TRAINYARD_ADMIN_KEY', 'must have 16 to 200 characters, printable and without spaces');
  const config: Config = {
    databaseUrl: text('DATABASE_URL') ?? '',
    redisUrl: text('REDIS_URL'),
    storageUrl: text('STORAGE_URL') ?? '',
    host: text('HOST') ?? '',
    port: number('PORT', 0, 65_535),
    adminKey,
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS),
    importRoots: roots,
    maxUploadBytes: number('MAX_UPLOAD_BYTES', 1, Number.MAX_SAFE_INTEGER),
    leaseSeconds: number('LEASE_SECONDS', 1, 86_400, false),
    reconcileSeconds: number('RECONCILE_SECONDS', 0.1, 3600, false),
    retentionGraceSeconds: number('RETENTION_GRACE_SECONDS', 0, 31_536_000, false),
    orphanGraceSeconds: number('ORPHAN_GRACE_SECONDS', 60, 31_536_000, false),
    inferenceBackend: oneOf(
      'INFERENCE_BACKEND',
      BACKENDS,
      oneOf('TRAINYARD_BACKEND', BACKENDS),
    ) as BackendPreference,
    migrateOnStart: oneOf('MIGRATE_ON_START', ['true', 'false']) === 'true',
    dataDir: text('DATA_DIR') ?? join(tmpdir(), 'trainyard-api'),
  };
  if (problems.length === 0) return config;
  const list = problems.map(({ param, message }) => `${param} ${message}`).join('; ');
  throw new TrainyardError('invalid_config', `The environment does not fit: ${list}.`, { details: problems });
}
