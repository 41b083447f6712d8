import { type Static, Type } from 'typebox';
import { TrainyardError } from './errors.ts';
import { OneOf, Strict } from './schema.ts';

const shape = (description: string, maximum: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum, description }));

export const PRESET_NAMES = ['tiny', 'mini', 'small', 'medium', 'large'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

/** A named size and what should differ from it. The vocabulary's size comes from the tokenizer. */
export const ModelRequest = Strict({
  preset: OneOf(PRESET_NAMES, { default: 'mini', description: 'A named size to start from.' }),
  layers: shape('Transformer blocks.', 200),
  width: shape('Size of the residual stream (d_model).', 16384),
  heads: shape('Query heads; must divide the width.', 256),
  kv_heads: shape('Key and value heads (grouped-query attention); must divide the query heads.', 256),
  hidden_width: shape('Size of the SwiGLU hidden layer.', 65536),
  context_length: shape('Longest sequence, in tokens.', 131072),
  tied_head: Type.Optional(Type.Boolean({ description: 'Share the input embedding with the output head.' })),
  rope_theta: Type.Optional(Type.Number({ minimum: 1, description: 'Base of the rotary embedding.' })),
});
export type ModelRequest = Static<typeof ModelRequest>;
export type ModelShape = Required<Omit<ModelRequest, 'preset'>>;

/** Sizes by name, smallest first. `medium` is the size M of the benchmarks. */
export const PRESETS: Record<PresetName, ModelShape> = {
  tiny: {
    layers: 2,
    width: 32,
    heads: 2,
    kv_heads: 1,
    hidden_width: 96,
    context_length: 64,
    tied_head: true,
    rope_theta: 10_000,
  },
  mini: {
    layers: 4,
    width: 128,
    heads: 4,
    kv_heads: 2,
    hidden_width: 384,
    context_length: 128,
    tied_head: true,
    rope_theta: 10_000,
  },
  small: {
    layers: 6,
    width: 256,
    heads: 8,
    kv_heads: 4,
    hidden_width: 704,
    context_length: 256,
    tied_head: true,
    rope_theta: 10_000,
  },
  medium: {
    layers: 6,
    width: 384,
    heads: 6,
    kv_heads: 6,
    hidden_width: 1024,
    context_length: 256,
    tied_head: true,
    rope_theta: 10_000,
  },
  large: {
    layers: 8,
    width: 640,
    heads: 10,
    kv_heads: 5,
    hidden_width: 1728,
    context_length: 512,
    tied_head: true,
    rope_theta: 10_000,
  },
};

/**
 * The full shape: the preset's values with the request's own on top.
 * Throws `invalid_config` naming the field that cannot fit.
 */
export function resolveModel(request: ModelRequest): ModelShape & { preset: PresetName } {
  const { preset, ...own } = request;
  const model = { ...PRESETS[preset], ...own };
  const refuse = (field: string, message: string): never => {
    throw new TrainyardError('invalid_config', message, { param: `config.model.${field}` });
  };
  if (model.width % model.heads)
    refuse('heads', `width ${model.width} is not a multiple of heads ${model.heads}.`);
  if ((model.width / model.heads) % 2)
    refuse(
      'heads',
      `Rotary embeddings need an even head size, but width ${model.width} / heads ${model.heads} is odd.`,
    );
  if (model.heads % model.kv_heads)
    refuse('kv_heads', `heads ${model.heads} is not a multiple of kv_heads ${model.kv_heads}.`);
  return { preset, ...model };
}

/** Trainable parameters of a model of this shape: matrices, norms, embedding and, if untied, the head. */
export function countParameters(
  model: Omit<ModelShape, 'rope_theta' | 'context_length'>,
  vocabSize: number,
): number {
  const headSize = model.width / model.heads;
  const attention = model.width * headSize * (2 * model.heads + 2 * model.kv_heads);
  const block = attention + 3 * model.width * model.hidden_width + 2 * model.width;
  return model.layers * block + model.width + vocabSize * model.width * (model.tied_head ? 1 : 2);
}
