import { TrainyardError } from '@trainyard/contracts';
import { float32, type HostTensor, int32 } from '../host-tensor.ts';

/** One rendered chat: `lossMask[i]` is 1 where token i is to be learnt, that is predicted from the tokens before it. */
export interface ChatExample {
  tokens: Int32Array;
  lossMask: Uint8Array;
}

/** One packed row of T positions, ready to be stacked; padding has segment -1 and weight 0. */
export interface PackedRow {
  inputs: Int32Array;
  targets: Int32Array;
  weights: Float32Array;
  segments: Int32Array;
  positions: Int32Array;
}

/** `inputs` and `positions` int32 [B,T], `mask` additive [B,1,T,T], `targets` int32 [B*T], `weights` [B*T]. */
export type ChatBatch = Record<'inputs' | 'positions' | 'mask' | 'targets' | 'weights', HostTensor>;

/**
 * Throws invalid_data naming the first examples (by number, from 1) that hold nothing to learn, have a mask of
 * another length, or do not fit `contextLength`: cutting them would drop the end of the answer.
 */
export function validateChatExamples(examples: readonly ChatExample[], contextLength: number): void {
  const problems = examples.flatMap(({ tokens, lossMask }, i) => {
    const problem = chatProblem(tokens, lossMask, contextLength);
    return problem === undefined ? [] : [{ message: `Example ${i + 1} ${problem}.`, line: i + 1 }];
  });
  if (examples.length === 0) {
    throw new TrainyardError('invalid_data', 'There are no examples: add at least one.');
  }
  if (problems.length > 0) {
    throw new TrainyardError(
      'invalid_data',
      `${problems.length} of ${examples.length} examples cannot be trained on. ${problems[0]!.message}`,
      { details: problems.slice(0, 20) },
    );
  }
}

function chatProblem(tokens: Int32Array, lossMask: Uint8Array, contextLength: number): string | undefined {
  if (lossMask.length !== tokens.length) {
    return `has ${tokens.length} tokens but a loss mask of ${lossMask.length}`;
  }
  if (tokens.length - 1 > contextLength) {
    return `has ${tokens.length} tokens, more than the ${contextLength + 1} that the context length allows: shorten it or leave it out`;
  }
  if (!lossMask.subarray(1).some((masked) => masked === 1)) {
    return 'has no answer to learn from';
  }
  return undefined;
}

/**
 * Packs examples into rows of `length` positions, longest first, each into the first row with room (first-fit
 * decreasing), so that few positions are padding. An example of n tokens takes n - 1 positions and keeps its own
 * segment and positions from 0. The result depends on nothing but the arguments.
 */
export function packExamples(examples: readonly ChatExample[], length: number): PackedRow[] {
  const order = examples.map((_, i) => i);
  order.sort((a, b) => examples[b]!.tokens.length - examples[a]!.tokens.length || a - b);
  const rows: { members: ChatExample[]; used: number }[] = [];
  let firstOpen = 0; // rows before it have no room for even the shortest example
  const shortest = order.length === 0 ? 0 : examples[order.at(-1)!]!.tokens.length - 1;
  for (const index of order) {
    const example = examples[index]!;
    const needed = example.tokens.length - 1;
    while (firstOpen < rows.length && rows[firstOpen]!.used + shortest > length) firstOpen += 1;
    let target = firstOpen;
    while (target < rows.length && rows[target]!.used + needed > length) target += 1;
    const row = rows[target] ?? { members: [], used: 0 };
    rows[target] = row;
    row.members.push(example);
    row.used += needed;
  }
  return rows.map(({ members }) => packRow(members, length));
}

/** Lays examples one after another into a row of `length` positions; targets are the inputs shifted by one. */
export function packRow(examples: readonly ChatExample[], length: number): PackedRow {
  const row: PackedRow = {
    inputs: new Int32Array(length),
    targets: new Int32Array(length),
    weights: new Float32Array(length),
    segments: new Int32Array(length).fill(-1),
    positions: new Int32Array(length),
  };
  let offset = 0;
  for (const [segment, { tokens, lossMask }] of examples.entries()) {
    const size = tokens.length - 1;
    row.inputs.set(tokens.subarray(0, size), offset);
    row.targets.set(tokens.subarray(1), offset);
    row.weights.set(lossMask.subarray(1), offset);
    row.segments.fill(segment, offset, offset + size);
    for (let i = 0; i < size; i += 1) row.positions[offset + i] = i;
    offset += size;
  }
  return row;
}

/** Stacks rows of one length. */
export function chatBatch(rows: readonly PackedRow[]): ChatBatch {
  const length = rows[0]!.inputs.length;
  const size = rows.length * length;
  const stack = (field: Exclude<keyof PackedRow, 'weights'>) => {
    const data = new Int32Array(size);
    for (const [i, row] of rows.entries()) data.set(row[field], i * length);
    return data;
  };
  const weights = new Float32Array(size);
  for (const [i, row] of rows.entries()) weights.set(row.weights, i * length);
  const segments = stack('segments');
  return {
    inputs: int32(stack('inputs'), [rows.length, length]),
    positions: int32(stack('positions'), [rows.length, length]),
    mask: float32(blockCausalMask(segments, rows.length, length), [rows.length, 1, length, length]),
    targets: int32(stack('targets')),
    weights: float32(weights),
  };
}

/** Additive attention mask [B,1,T,T]: 0 where key j <= query i in the same segment, else -1e9. */
export function blockCausalMask(segments: Int32Array, batch: number, length: number): Float32Array {
  const mask = new Float32Array(batch * length * length).fill(-1e9);
  for (let row = 0; row < batch * length; row += 1) {
    const first = row - (row % length);
    // Segments are contiguous, so the allowed keys run backwards from the query until the segment changes.
    for (let key = row; key >= first && segments[key] === segments[row]; key -= 1) {
      mask[row * length + (key - first)] = 0;
    }
  }
  return mask;
}
