import type { HostTensors, ModelConfig } from '../src/index.ts';

type Vector = number[];
type Weights = Record<string, { shape: number[]; data: Float64Array }>;

/** The weights in double precision, to be changed by finite differences. */
export function doubles(host: HostTensors): Weights {
  return Object.fromEntries(
    Object.entries(host).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
  );
}

/** y[o] = sum_i weight[o, i] x[i]. */
function times({ shape, data }: Weights[string], x: Vector): Vector {
  const [out, size] = shape as [number, number];
  return Array.from({ length: out }, (_, o) =>
    x.reduce((sum, value, i) => sum + data[o * size + i]! * value, 0),
  );
}

function norm(x: Vector, gain: Float64Array, epsilon: number): Vector {
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(square + epsilon)) * gain[i]!);
}

/** Rotates the pair (i, i + size/2) of a head by position * theta^(-2i/size). */
function rope(head: Vector, position: number, theta: number): Vector {
  const half = head.length / 2;
  return head.map((value, j) => {
    const angle = position * theta ** ((-2 * (j % half)) / head.length);
    const partner = j < half ? -head[j + half]! : head[j - half]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function softmax(scores: Vector): Vector {
  const max = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - max));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** A transformer of the same kind written for clarity, token by token in double precision: scores [T][V]. */
export function referenceLogits(
  weights: Weights,
  config: ModelConfig,
  tokens: ArrayLike<number>,
  options: { positions?: number[]; visible?: (from: number, to: number) => boolean } = {},
): Vector[] {
  const { width, heads, kvHeads, normEpsilon, ropeTheta, layers, attention } = config;
  const size = width / heads;
  const position = (t: number) => options.positions?.[t] ?? t;
  const visible = options.visible ?? ((from, to) => attention === 'bidirectional' || to <= from);
  const table = weights['model.embed_tokens.weight']!;
  let x = Array.from(tokens, (token) => Array.from(table.data.subarray(token * width, (token + 1) * width)));
  const slice = (vector: Vector, head: number) => vector.slice(head * size, (head + 1) * size);
  for (let layer = 0; layer < layers; layer++) {
    const weight = (name: string) => weights[`model.layers.${layer}.${name}.weight`]!;
    const normed = x.map((row) => norm(row, weight('input_layernorm').data, normEpsilon));
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      normed.map((row) => times(weight(`self_attn.${name}_proj`), row)),
    );
    const context = x.map((_, t) =>
      Array.from({ length: heads }, (_, head) => {
        const shared = Math.floor(head / (heads / kvHeads));
        const query = rope(slice(q![t]!, head), position(t), ropeTheta);
        const seen = [...x.keys()].filter((s) => visible(t, s));
        const scores = seen.map((s) => {
          const key = rope(slice(k![s]!, shared), position(s), ropeTheta);
          return query.reduce((sum, value, i) => sum + value * key[i]!, 0) / Math.sqrt(size);
        });
        const share = softmax(scores);
        return Array.from({ length: size }, (_, i) =>
          seen.reduce((sum, s, n) => sum + share[n]! * slice(v![s]!, shared)[i]!, 0),
        );
      }).flat(),
    );
    x = x.map((row, t) => times(weight('self_attn.o_proj'), context[t]!).map((value, i) => value + row[i]!));
    x = x.map((row) => {
      const input = norm(row, weight('post_attention_layernorm').data, normEpsilon);
      const up = times(weight('mlp.up_proj'), input);
      const hidden = times(weight('mlp.gate_proj'), input).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
      return times(weight('mlp.down_proj'), hidden).map((value, i) => value + row[i]!);
    });
  }
  const head = config.tiedHead ? table : weights['lm_head.weight']!;
  return x.map((row) => times(head, norm(row, weights['model.norm.weight']!.data, normEpsilon)));
}

export function referenceLogProbability(scores: Vector, target: number): number {
  return Math.log(softmax(scores)[target]!);
}
