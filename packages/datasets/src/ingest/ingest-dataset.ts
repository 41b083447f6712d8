import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatasetKind, type ErrorDetail, TrainyardError } from '@trainyard/contracts';
import { attempt, type BlobStore, sweepLeftovers } from '@trainyard/storage';
import type { RecordOf } from '../record.ts';
import { countCharacters } from '../record-schema.ts';
import type { DatasetVersionContent } from '../version-content.ts';
import { type Compression, decompress } from './decompress.ts';
import { DigestSet } from './digest-set.ts';
import { LineSplitter } from './line-splitter.ts';
import { jsonLinesParser, type Parsed, plainTextParser, type RecordParser } from './record-parser.ts';
import { SplitSpool } from './split-spool.ts';

export interface IngestLimits {
  /** Of the decompressed upload. */
  maxBytes: number;
  maxRecordBytes: number;
  /** Distinct records; each takes up to 43 bytes of memory for finding duplicates. Default 4,000,000. */
  maxRecords?: number;
}

export interface Ingest<K extends DatasetKind> {
  source: AsyncIterable<Uint8Array>;
  /** 'text' (kind text only): documents between blank lines. 'jsonl': one record a line. */
  format: 'text' | 'jsonl';
  compression: Compression;
  kind: K;
  /** 0 to 1, default 0.05: the share of records, chosen by content hash, that is kept for evaluation. */
  heldOutFraction?: number;
  limits: IngestLimits;
  store: BlobStore;
  /** A folder for temporary files of about the upload's size. */
  spoolDir: string;
}

const LISTED_PROBLEMS = 10;
const PREFIX = 'ingest-';

/**
 * Validates an upload and stores its records as two blobs of canonical JSON Lines. Records that repeat an earlier one
 * are dropped; which split one falls into depends on its canonical text alone, so the same text is never in both.
 * Memory is bounded by the limits, not by the upload. UTF-8 only; a byte order mark is passed over.
 * @throws TrainyardError `invalid_data` with up to ten problems (line, param, message) in `details`: then nothing is
 *   stored; `payload_too_large` beyond `limits`; `invalid_request` for plain text of another kind than text.
 */
export async function ingestDataset<K extends DatasetKind>(
  options: Ingest<K>,
): Promise<DatasetVersionContent<K>> {
  const { source, kind, limits, store, spoolDir, heldOutFraction = 0.05 } = options;
  if (!(heldOutFraction >= 0 && heldOutFraction <= 1))
    throw new TrainyardError('invalid_request', 'held_out_fraction must be between 0 and 1.', {
      param: 'held_out_fraction',
    });
  const parser = parserFor(options);
  const folder = await attempt(`making a folder in ${spoolDir}`, async () => {
    await mkdir(spoolDir, { recursive: true });
    await sweepLeftovers(spoolDir, (name) => name.startsWith(PREFIX), new Date());
    return mkdtemp(join(spoolDir, PREFIX));
  });
  const spools: SplitSpool[] = [];
  try {
    for (const name of ['train', 'held-out']) spools.push(await SplitSpool.create(join(folder, name)));
    const [train, heldOut] = spools as [SplitSpool, SplitSpool];
    const intake = new Intake(kind, limits, (digest) =>
      digest.readUIntBE(0, 6) / 2 ** 48 < heldOutFraction ? heldOut : train,
    );
    const lines = new LineSplitter(limits.maxRecordBytes);
    for await (const chunk of decompress(source, options.compression, limits.maxBytes)) {
      for (const line of lines.push(chunk)) await intake.take(parser.line(line));
    }
    for (const line of lines.end()) await intake.take(parser.line(line));
    await intake.take(parser.end());
    const { contentHash, duplicates } = intake.finish();
    return {
      kind,
      contentHash,
      train: await train.store(store),
      heldOut: await heldOut.store(store),
      duplicates,
    };
  } finally {
    for (const spool of spools) await spool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function parserFor({ format, kind, limits }: Ingest<DatasetKind>): RecordParser {
  if (format === 'jsonl') return jsonLinesParser(kind, limits.maxRecordBytes);
  if (kind === 'text') return plainTextParser(limits.maxRecordBytes);
  throw new TrainyardError(
    'invalid_request',
    `Records of kind ${kind} come as JSON Lines, not as plain text.`,
    {
      param: 'format',
    },
  );
}

/** Counts, hashes and routes what the parser gives. */
class Intake {
  readonly #spoolOf: (digest: Buffer) => SplitSpool;
  readonly #maxRecords: number;
  readonly #hash = createHash('sha256');
  readonly #seen = new DigestSet();
  readonly #problems: ErrorDetail[] = [];
  #problemCount = 0;
  #duplicates = 0;

  constructor(kind: DatasetKind, limits: IngestLimits, spoolOf: (digest: Buffer) => SplitSpool) {
    this.#spoolOf = spoolOf;
    this.#maxRecords = limits.maxRecords ?? 4_000_000;
    this.#hash.update(`${kind}\n`);
  }

  async take(parsed: Parsed | undefined): Promise<void> {
    if (parsed === undefined) return;
    if ('record' in parsed) {
      if (this.#problemCount === 0) await this.#keep(parsed.record);
      return;
    }
    if (this.#problemCount++ < LISTED_PROBLEMS) this.#problems.push(parsed.problem);
  }

  async #keep(record: RecordOf<DatasetKind>): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    const digest = createHash('sha256').update(line).digest();
    if (!this.#seen.add(digest)) {
      this.#duplicates++;
      return;
    }
    if (this.#seen.size > this.#maxRecords)
      throw new TrainyardError(
        'payload_too_large',
        `The upload holds more than ${this.#maxRecords} records; divide it into several datasets.`,
      );
    this.#hash.update(line);
    await this.#spoolOf(digest).add(line, countCharacters(record));
  }

  finish(): { contentHash: string; duplicates: number } {
    const count = this.#problemCount;
    if (count > 0) {
      const listed = count > LISTED_PROBLEMS ? `; the first ${LISTED_PROBLEMS} are listed` : '';
      throw new TrainyardError(
        'invalid_data',
        `${count} ${count === 1 ? 'problem' : 'problems'} in the upload${listed}. Nothing was stored.`,
        { details: this.#problems },
      );
    }
    if (this.#seen.size === 0)
      throw new TrainyardError('invalid_data', 'The upload holds no records; nothing was stored.');
    return { contentHash: this.#hash.digest('hex'), duplicates: this.#duplicates };
  }
}
