/**
 * How many float32 operations a second the machine's matrix product reaches: node bench/sgemm.ts SPEC (JSON) prints a
 * line of JSON, `Sgemm`. A product of [m,k] and [k,n] counts 2 * m * k * n operations.
 */
import * as tf from '@tensorflow/tfjs-core';
import { loadBackend } from '@trainyard/tensor';
import type { Backend } from './options.ts';
import { SIZES } from './sizes.ts';

export interface SgemmSpec {
  backend: Backend;
  threads: number;
  quick: boolean;
}

export interface Sgemm {
  /** The backend's package, its version and that of libtensorflow. */
  software: string;
  /** GFLOP/s of the fastest shape: the limit that shares are of. */
  best: number;
  /** GFLOP/s over all products of one forward pass of size M; nothing where they would take long. */
  atM?: number;
  shapes: { shape: Shape; gflops: number }[];
}

type Shape = [m: number, k: number, n: number];

const SQUARES = [256, 512, 1024, 2048, 4096];
/** Where a product takes longer than this, larger ones are left out, in seconds. */
const LONG = 0.5;
const REPEATS = 10;

/** The products of one forward pass of size M and how often each occurs: joint q, k, v; out; gate and up; down; head. */
function productsOfM(): [shape: Shape, count: number][] {
  const { model, batch } = SIZES.M;
  const { width, hiddenWidth, heads, kvHeads, layers, vocabSize, contextLength } = model;
  const tokens = batch * contextLength;
  return [
    [[tokens, width, (width / heads) * (heads + 2 * kvHeads)], layers],
    [[tokens, width, width], layers],
    [[tokens, width, hiddenWidth], 2 * layers],
    [[tokens, hiddenWidth, width], layers],
    [[tokens, width, vocabSize], 1],
  ];
}

const operations = ([m, k, n]: Shape): number => 2 * m * k * n;

/** Seconds of the fastest of some products, the first not counted. */
async function time([m, k, n]: Shape): Promise<number> {
  const [a, b] = [
    tf.randomUniform([m, k], -1, 1, 'float32', 1),
    tf.randomUniform([k, n], -1, 1, 'float32', 2),
  ];
  let fastest = Infinity;
  for (let i = 0; i <= REPEATS && (i < 2 || fastest < LONG); i++) {
    const start = performance.now();
    const product = tf.matMul(a, b);
    const corner = tf.slice(product, [0, 0], [1, 1]);
    await corner.data(); // waits for the product, and copies one number
    if (i > 0) fastest = Math.min(fastest, (performance.now() - start) / 1000);
    tf.dispose([product, corner]);
  }
  tf.dispose([a, b]);
  return fastest;
}

async function measure(quick: boolean): Promise<Omit<Sgemm, 'software'>> {
  const shapes: Sgemm['shapes'] = [];
  const timed = async (shape: Shape): Promise<number> => {
    const seconds = await time(shape);
    shapes.push({ shape, gflops: operations(shape) / seconds / 1e9 });
    return seconds;
  };
  let long = false;
  for (const side of quick ? SQUARES.slice(0, 2) : SQUARES) {
    long = (await timed([side, side, side])) > LONG;
    if (long) break;
  }
  let [sum, seconds] = [0, 0];
  if (!quick && !long)
    for (const [shape, count] of productsOfM()) {
      sum += count * operations(shape);
      seconds += count * (await timed(shape));
    }
  const best = Math.max(...shapes.map(({ gflops }) => gflops));
  return { best, shapes, ...(seconds > 0 && { atM: sum / seconds / 1e9 }) };
}

const { backend, threads, quick }: SgemmSpec = JSON.parse(process.argv[2]!);
const { package: name, version, libraryVersion } = await loadBackend({ prefer: backend, threads });
const software = `${name} ${version}${libraryVersion ? `, libtensorflow ${libraryVersion}` : ''}`;
const sgemm: Sgemm = { software, ...(await measure(quick)) };
process.stdout.write(`${JSON.stringify(sgemm)}\n`);
