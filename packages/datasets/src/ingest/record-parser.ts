import type { DatasetKind, ErrorDetail } from '@trainyard/contracts';
import type { RecordOf } from '../record.ts';
import { canonicalRecord, checkRecord } from '../record-schema.ts';
import { decodeUtf8 } from './decode-utf8.ts';
import type { Line } from './line-splitter.ts';

export type Parsed = { record: RecordOf<DatasetKind> } | { problem: ErrorDetail };

/** Turns lines into records; most lines give none or one. */
export interface RecordParser {
  line(line: Line): Parsed | undefined;
  end(): Parsed | undefined;
}

const wrong = (line: number, message: string, param?: string): Parsed => ({
  problem: { line, message, ...(param ? { param } : {}) },
});

/** The text of a line without a byte order mark (first line) and carriage return, or the problem. */
function decodeLine({ number, bytes }: Line, maxRecordBytes: number): string | Parsed {
  if (bytes === undefined) return wrong(number, `the record is longer than ${maxRecordBytes} bytes`);
  const decoded = decodeUtf8(bytes);
  if ('invalidByte' in decoded)
    return wrong(number, `byte ${decoded.invalidByte} of the line is not valid UTF-8`);
  const text = decoded.text.endsWith('\r') ? decoded.text.slice(0, -1) : decoded.text;
  return number === 1 && text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** JSON Lines: one record a line; blank lines are passed over. */
export function jsonLinesParser(kind: DatasetKind, maxRecordBytes: number): RecordParser {
  return {
    line(line) {
      const text = decodeLine(line, maxRecordBytes);
      if (typeof text !== 'string') return text;
      if (text.trim() === '') return undefined;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (error) {
        return wrong(line.number, `not JSON: ${(error as Error).message.slice(0, 200)}`);
      }
      const problem = checkRecord(kind, value);
      if (problem) return wrong(line.number, problem.message.slice(0, 300), problem.param.slice(0, 100));
      return { record: canonicalRecord(kind, value) };
    },
    end: () => undefined,
  };
}

/** Plain text: a document is a block of lines between blank ones (empty, or of white space only). */
export function plainTextParser(maxRecordBytes: number): RecordParser {
  let lines: string[] = [];
  let bytes = 0;
  let first = 0;
  let problem: Parsed | undefined;
  const end = (): Parsed | undefined => {
    const parsed = problem ?? (lines.length > 0 ? { record: { text: lines.join('\n') } } : undefined);
    lines = [];
    bytes = 0;
    problem = undefined;
    return parsed;
  };
  return {
    line(line) {
      const text = decodeLine(line, maxRecordBytes);
      if (typeof text === 'string' && text.trim() === '') return end();
      if (bytes === 0) first = line.number;
      bytes += (line.bytes?.length ?? 0) + 1;
      if (problem) return undefined;
      if (typeof text !== 'string') problem = text;
      else if (bytes - 1 > maxRecordBytes)
        problem = wrong(
          first,
          `the document is longer than ${maxRecordBytes} bytes; blank lines divide documents`,
        );
      if (problem) lines = [];
      else lines.push(text as string);
      return undefined;
    },
    end,
  };
}
