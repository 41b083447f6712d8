export interface Sampling {
  /** 0 takes the most probable token. */
  temperature: number;
  /** Only the k most probable tokens. */
  topK?: number;
  /** Only the most probable tokens that together reach this probability (Holtzman et al. 2020). */
  topP?: number;
}

export interface Drawn {
  token: number;
  /** Under softmax(scores): temperature 1, nothing cut. */
  logProbability: number;
}

/** Indices of the `count` highest scores, highest first; the lower index wins a tie. */
export function highest(scores: Float32Array, count: number): number[] {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, count);
}

/** Log-probability of `token` under softmax(scores). */
export function logProbability(scores: Float32Array, token: number): number {
  const highestScore = scores[argMax(scores)]!;
  return scores[token]! - highestScore - Math.log(weigh(scores, highestScore, 1).sum);
}

/** Draws a token from softmax(scores / temperature), cut to topK and then topP. Takes one draw. */
export function sampleToken(
  scores: Float32Array,
  { temperature, topK, topP }: Sampling,
  uniform: () => number,
): Drawn {
  const draw = uniform();
  const best = argMax(scores);
  const top = scores[best]!;
  const plain = weigh(scores, top, 1);
  const drawn = (token: number): Drawn => ({
    token,
    logProbability: scores[token]! - top - Math.log(plain.sum),
  });
  if (temperature === 0) return drawn(best);
  const tempered = temperature === 1 ? plain : weigh(scores, top, temperature);
  if (topK === undefined && topP === undefined) return drawn(pick(tempered.weights, draw * tempered.sum));
  const tokens = highest(scores, topK ?? scores.length);
  const kept = Float64Array.from(tokens, (token) => tempered.weights[token]!);
  const nucleus = topP === undefined ? kept : kept.subarray(0, nucleusSize(kept, topP));
  return drawn(tokens[pick(nucleus, draw * total(nucleus))]!);
}

/** exp((score - top) / temperature) of each, and their sum. */
function weigh(
  scores: Float32Array,
  top: number,
  temperature: number,
): { weights: Float64Array; sum: number } {
  const weights = new Float64Array(scores.length);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const weight = Math.exp((scores[i]! - top) / temperature);
    weights[i] = weight;
    sum += weight;
  }
  return { weights, sum };
}

/** The index in which a walk over the weights ends. */
function pick(weights: Float64Array, distance: number): number {
  let left = distance;
  const last = weights.length - 1;
  for (let i = 0; i < last; i++) {
    left -= weights[i]!;
    if (left < 0) return i;
  }
  return last;
}

function argMax(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}

/** How many of the highest weights together reach the share `topP` of all. */
function nucleusSize(weights: Float64Array, topP: number): number {
  const wanted = topP * total(weights);
  let reached = 0;
  for (let i = 0; i < weights.length; i++) {
    reached += weights[i]!;
    if (reached >= wanted) return i + 1;
  }
  return weights.length;
}

function total(weights: Float64Array): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}
