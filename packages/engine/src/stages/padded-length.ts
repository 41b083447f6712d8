const GRAIN = 32;

/**
 * The length to which a batch of sequences is padded: few different lengths, since a step is compiled for each shape
 * that it meets.
 */
export const paddedLength = (longest: number, contextLength: number): number =>
  Math.min(Math.ceil(longest / GRAIN) * GRAIN, Math.max(longest, contextLength));
