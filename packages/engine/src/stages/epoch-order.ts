import { permutation, random } from '../random.ts';

/**
 * The order in which a stage draws its examples: each epoch is a permutation of its own, so that every example is
 * drawn once an epoch. A pure function of `seed` and the number of the draw: nothing has to be saved to resume.
 */
export function epochOrder(seed: number, count: number): (draw: number) => number {
  let epoch = -1;
  let order = new Int32Array();
  return (draw) => {
    const wanted = Math.floor(draw / count);
    if (wanted !== epoch) {
      epoch = wanted;
      order = permutation(count, random(seed, 'epoch', epoch)) as Int32Array<ArrayBuffer>;
    }
    return order[draw % count]!;
  };
}

/** The examples of one micro-batch. */
export function drawBatch<T>(
  examples: readonly T[],
  order: (draw: number) => number,
  batch: { step: number; micro: number; accumulation: number; batchSize: number },
): T[] {
  const first = (batch.step * batch.accumulation + batch.micro) * batch.batchSize;
  return Array.from({ length: batch.batchSize }, (_, i) => examples[order(first + i)]!);
}
