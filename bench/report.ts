import { type ModelFigures, PEER, TOKENIZERS, type TokenizerFigures } from './figures.ts';
import { type LeftOut, workloadName } from './plan.ts';
import type { Sgemm } from './sgemm.ts';
import { table } from './table.ts';

/** What the command measured; the file that `--json` names. */
export interface Report {
  created: string;
  machine: {
    platform: string;
    architecture: string;
    cores: number;
    memory_bytes: number;
    versions: Record<string, string>;
  };
  options: Record<string, unknown>;
  /** By backend; the limit that shares are of is the native backend's. */
  sgemm: Record<string, Sgemm>;
  models: ModelFigures[];
  tokenizer: TokenizerFigures[];
  left_out: LeftOut[];
  failed: LeftOut[];
}

/** Three significant digits, or whole where there are more. */
function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

const milliseconds = (seconds: number): string => short(seconds * 1000);
const mebibytes = (bytes: number): string => String(Math.round(bytes / 2 ** 20));
const ratio = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(2));

const MODEL_TITLES = [
  ...['size', 'workload', 'backend', 'engine'],
  ...['tokens/s', 'GFLOP/s', 'of limit', 'median ms', 'p10', 'p90', 'n', 'first ms', 'peak MiB'],
  ...['/torch eager', '/torch compile'],
];

function modelRow(row: ModelFigures): string[] {
  return [
    row.size,
    workloadName(row.workload, row.batch),
    row.backend,
    row.engine,
    short(row.tokens_per_second),
    short(row.gflops),
    row.share_of_sgemm === null ? '' : `${(100 * row.share_of_sgemm).toFixed(1)} %`,
    milliseconds(row.median),
    milliseconds(row.p10),
    milliseconds(row.p90),
    String(row.iterations),
    milliseconds(row.first),
    mebibytes(row.peak_bytes),
    ratio(row.over[`${PEER}eager`]),
    ratio(row.over[`${PEER}compile`]),
  ];
}

const TOKENIZER_TITLES = [
  ...['workload', 'implementation'],
  ...['MB/s', 'median ms', 'p10', 'p90', 'n', 'first ms', 'peak MiB', 'bytes/token', '/tokenizers'],
];

function tokenizerRow(row: TokenizerFigures): string[] {
  return [
    row.workload,
    row.implementation,
    short(row.megabytes_per_second),
    milliseconds(row.median),
    milliseconds(row.p10),
    milliseconds(row.p90),
    String(row.iterations),
    milliseconds(row.first),
    mebibytes(row.peak_bytes),
    row.bytes_per_token === undefined ? '' : row.bytes_per_token.toFixed(2),
    ratio(row.over[TOKENIZERS]),
  ];
}

function limitLine([backend, { software, best, atM, shapes }]: [string, Sgemm]): string {
  const { shape } = shapes.find(({ gflops }) => gflops === best)!;
  const ofM = atM === undefined ? '' : `, ${short(atM)} at the shapes of size M`;
  return `sgemm on ${backend}: ${short(best)} GFLOP/s (${shape.join(' x ')})${ofM}; ${software}`;
}

const NOTES = `A train step is 6 FLOP per matrix weight and token and 12 * layers * width * length for attention (engine: flopsPerToken);
a forward pass is a third of it. "of limit": of the machine's sgemm, on the native backend. "first": the first iteration,
tracing and compiling included. "peak": highest resident set of the measuring process. "/torch": our speed over PyTorch's,
measured in turn: above 1 ours is the faster. p10, p90 and n: spread and number of iterations.`;

export function reportText(report: Report): string {
  const { cores, architecture, platform, versions } = report.machine;
  const software = Object.entries(versions).map((entry) => entry.join(' '));
  const unmeasured = (title: string, list: LeftOut[]) =>
    list.length > 0 ? [[title, ...list.map(({ what, reason }) => `  ${what}: ${reason}`)].join('\n')] : [];
  return [
    [
      `${cores} cores, ${platform} ${architecture}; ${software.join(', ')}`,
      ...Object.entries(report.sgemm).map(limitLine),
    ].join('\n'),
    ...(report.models.length > 0 ? [table(MODEL_TITLES, report.models.map(modelRow), 4), NOTES] : []),
    ...(report.tokenizer.length > 0
      ? [table(TOKENIZER_TITLES, report.tokenizer.map(tokenizerRow), 2), 'Both tokenizers work on one core.']
      : []),
    ...unmeasured('Left out:', report.left_out),
    ...unmeasured('Failed:', report.failed),
  ].join('\n\n');
}
