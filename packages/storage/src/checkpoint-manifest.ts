import { type ErrorDetail, TrainyardError } from '@trainyard/contracts';
import { isSha256 } from './content-address.ts';

const MANIFEST_FORMAT = 'trainyard-checkpoint/1';

export interface CheckpointFile {
  /** Letters, digits, '.', '_' and '-'; unique in its manifest. */
  name: string;
  sha256: string;
  bytes: number;
}

/** Everything needed to go on from a checkpoint; the blob that holds it is written after its files. */
export interface CheckpointManifest {
  format: typeof MANIFEST_FORMAT;
  runId: string;
  /** Optimizer steps done. */
  step: number;
  /** The fencing epoch of the attempt that wrote it. */
  epoch: number;
  /** Sorted by name. */
  files: CheckpointFile[];
  /** The model's configuration, as JSON. */
  model: unknown;
  counters: Record<string, number>;
  /** The next batch to read: all randomness follows from the seed and the step. */
  cursor: { step: number; seed: number };
  /** ISO 8601, UTC. */
  createdAt: string;
}

export type NewCheckpoint = Omit<CheckpointManifest, 'format' | 'files'>;

/** Throws `invalid_data` with all details, `source` telling which manifest, unless it is one in every field. */
function assertManifest(value: unknown, source: string): asserts value is CheckpointManifest {
  const details: ErrorDetail[] = [];
  const check = (valid: boolean, param: string, message: string): void => {
    if (!valid) details.push({ param, message });
  };
  const manifest = (isRecord(value) ? value : {}) as Partial<Record<keyof CheckpointManifest, unknown>>;
  check(manifest.format === MANIFEST_FORMAT, 'format', `must be "${MANIFEST_FORMAT}"`);
  check(typeof manifest.runId === 'string' && manifest.runId !== '', 'runId', 'must be a run id');
  check(isCount(manifest.step), 'step', 'must be an integer of at least 0');
  check(isCount(manifest.epoch), 'epoch', 'must be an integer of at least 0');
  check(manifest.model !== undefined, 'model', 'must be the model configuration');
  const counters = isRecord(manifest.counters) ? Object.values(manifest.counters) : undefined;
  check(counters?.every(Number.isFinite) ?? false, 'counters', 'must be finite numbers by name');
  const cursor = isRecord(manifest.cursor) ? manifest.cursor : {};
  check(isCount(cursor.step), 'cursor.step', 'must be an integer of at least 0');
  check(Number.isSafeInteger(cursor.seed), 'cursor.seed', 'must be an integer');
  check(isTime(manifest.createdAt), 'createdAt', 'must be a time such as 2030-01-31T12:00:00.000Z');
  const files: unknown[] = Array.isArray(manifest.files) ? manifest.files : [];
  check(files.length > 0, 'files', 'must be a list of at least one file');
  files.forEach((file, index) => {
    const message = 'must have a plain file name, a sha256 and a number of bytes';
    check(isFile(file), `files[${index}]`, message);
  });
  const names = new Set(files.map((file) => (isRecord(file) ? file.name : undefined)));
  check(names.size === files.length, 'files', 'must have different names');
  if (details.length === 0) return;
  const problems = details.map(({ param, message }) => `${param} ${message}`).join('; ');
  throw new TrainyardError('invalid_data', `${source} is not valid: ${problems}.`, { details });
}

/** The manifest's bytes: the same manifest gives the same bytes. Throws `invalid_data`. */
export function encodeManifest(checkpoint: NewCheckpoint, files: readonly CheckpointFile[]): Uint8Array {
  const { runId, step, epoch, model, counters, cursor, createdAt } = checkpoint;
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  const manifest = {
    format: MANIFEST_FORMAT,
    runId,
    step,
    epoch,
    files: sorted,
    model,
    counters,
    cursor,
    createdAt,
  };
  assertManifest(manifest, 'The checkpoint manifest');
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** Parses and validates; `source` names the manifest in errors. Throws `invalid_data`. */
export function decodeManifest(bytes: Uint8Array, source: string): CheckpointManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TrainyardError('invalid_data', `${source} is not JSON.`, { cause });
  }
  assertManifest(manifest, source);
  return manifest;
}

function isFile(value: unknown): value is CheckpointFile {
  if (!isRecord(value)) return false;
  const { name, sha256, bytes } = value;
  return typeof name === 'string' && /^\w[\w.-]*$/.test(name) && isSha256(sha256) && isCount(bytes);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTime(value: unknown): boolean {
  return (
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) && !Number.isNaN(Date.parse(value))
  );
}
