export interface Sampling {
  /** 0 takes the most probable token. */
  temperature: number;
  /** Only the k most probable tokens. */
  topK?: number;
  /** Only the most probable tokens that together reach this probability (Holtzman et al. 2020). */
  topP?: number;
}

/** log(sum(exp(scores * scale))). */
function logSumExp(scores: ArrayLike<number>, scale = 1): number {
  let max = -Infinity;
  for (let i = 0; i < scores.length; i++) max = Math.max(max, scores[i]!);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp((scores[i]! - max) * scale);
  return max * scale + Math.log(sum);
}

/** Indices of the `count` highest scores, highest first; the lower index wins a tie. */
export function highest(scores: Float32Array, count: number): number[] {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, count);
}

/** Log-probability of `token` under softmax(scores). */
export function logProbability(scores: Float32Array, token: number): number {
  return scores[token]! - logSumExp(scores);
}

/** Draws a token from softmax(scores / temperature), cut to topK and then topP. Takes one draw. */
export function sampleToken(
  scores: Float32Array,
  { temperature, topK, topP }: Sampling,
  uniform: () => number,
): number {
  const draw = uniform();
  if (temperature === 0) return argMax(scores);
  const cut = topK !== undefined || topP !== undefined;
  const candidates = cut ? highest(scores, topK ?? scores.length) : undefined;
  const kept = candidates ? candidates.map((token) => scores[token]!) : scores;
  const normaliser = logSumExp(kept, 1 / temperature);
  const probability = (i: number): number => Math.exp(kept[i]! / temperature - normaliser);
  const last = topP === undefined ? kept.length - 1 : nucleusEnd(kept.length, topP, probability);
  let mass = 0;
  for (let i = 0; i <= last; i++) mass += probability(i);
  let left = draw * mass;
  let i = 0;
  for (; i < last; i++) {
    left -= probability(i);
    if (left < 0) break;
  }
  return candidates ? candidates[i]! : i;
}

function argMax(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}

/** Index of the token with which the probability reaches topP. */
function nucleusEnd(length: number, topP: number, probability: (i: number) => number): number {
  let reached = 0;
  for (let i = 0; i < length; i++) {
    reached += probability(i);
    if (reached >= topP) return i;
  }
  return length - 1;
}
