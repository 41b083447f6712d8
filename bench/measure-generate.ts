import { initParameters, loadParameters, openGenerator } from '@trainyard/engine';
import type { ModelSpec, Workload } from './spec.ts';
import { sampleTexts } from './token-stream.ts';

/** An iteration is one whole answer to each prompt: the prompts' pass and the drawing of `newTokens` tokens. */
export function openGenerate(spec: ModelSpec): Workload {
  const { model, batch, seed, engine, promptLength, newTokens } = spec;
  const writer = openGenerator(model, engine);
  writer.load(loadParameters(initParameters(model, seed)));
  const prompts = sampleTexts(model, batch, promptLength, seed);
  return {
    async iterate() {
      const completions = await writer.generate({
        prompts,
        maxNewTokens: newTokens,
        temperature: 1,
        stopTokens: [],
        seed,
      });
      if (completions.some(({ tokens }) => tokens.length !== newTokens))
        throw new Error(`Not every prompt was continued by ${newTokens} tokens.`);
    },
    facts: () => ({}),
  };
}
