import { TrainyardError } from '@trainyard/contracts';

/** Shape of a Llama-style transformer (RMSNorm, rotary positions, grouped-query attention, SwiGLU). */
export interface ModelConfig {
  vocabSize: number;
  /** Longest sequence in tokens. */
  contextLength: number;
  layers: number;
  /** Size of the residual stream. */
  width: number;
  /** Query heads; each is width / heads wide. */
  heads: number;
  /** Key and value heads; each serves heads / kvHeads query heads. */
  kvHeads: number;
  /** Inner size of the feed-forward block. */
  hiddenWidth: number;
  ropeTheta: number;
  normEpsilon: number;
  /** The output projection is the embedding table. */
  tiedHead: boolean;
  attention: 'causal' | 'bidirectional';
}

const COUNTS = ['vocabSize', 'contextLength', 'layers', 'width', 'heads', 'kvHeads', 'hiddenWidth'] as const;

/** @throws TrainyardError invalid_config, `param` being the field that is wrong. */
export function validateModelConfig(config: ModelConfig): void {
  const refuse = (param: keyof ModelConfig, message: string): never => {
    throw new TrainyardError('invalid_config', message, { param });
  };
  for (const field of COUNTS) {
    if (!Number.isSafeInteger(config[field]) || config[field] < 1)
      refuse(field, `${field} is ${config[field]}; it must be a positive whole number.`);
  }
  const { width, heads, kvHeads, ropeTheta, normEpsilon, attention } = config;
  if (width % (2 * heads) !== 0)
    refuse(
      'width',
      `width ${width} does not give ${heads} heads an even size each; use a multiple of ${2 * heads}.`,
    );
  if (heads % kvHeads !== 0)
    refuse('kvHeads', `kvHeads ${kvHeads} does not divide heads ${heads}; each must serve as many.`);
  if (!(ropeTheta > 1)) refuse('ropeTheta', `ropeTheta is ${ropeTheta}; it must be above 1.`);
  if (!(normEpsilon > 0)) refuse('normEpsilon', `normEpsilon is ${normEpsilon}; it must be above 0.`);
  if (attention !== 'causal' && attention !== 'bidirectional')
    refuse('attention', `attention is "${attention}"; use "causal" or "bidirectional".`);
}

/** Size of one attention head. */
export function headWidth(config: ModelConfig): number {
  return config.width / config.heads;
}

/** Weights that a token is multiplied with in one layer. */
function layerMatrixSize(config: ModelConfig): number {
  const { width, kvHeads, hiddenWidth } = config;
  const keyValueWidth = kvHeads * headWidth(config);
  return 2 * width * width + 2 * keyValueWidth * width + 3 * hiddenWidth * width;
}

/**
 * Floating-point operations of training (forward and backward) on one token in a sequence of `length`: six per weight
 * of a matrix product, and 12 * layers * width * length for attention (Chowdhery et al. 2022, PaLM, appendix B).
 */
export function flopsPerToken(config: ModelConfig, length: number): number {
  const { vocabSize, width, layers } = config;
  return 6 * (layers * layerMatrixSize(config) + vocabSize * width) + 12 * layers * width * length;
}
