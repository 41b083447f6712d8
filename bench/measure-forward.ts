import { bitsPerByte, initParameters, loadParameters } from '@trainyard/engine';
import { ENGINES } from './engines.ts';
import type { ModelSpec, Workload } from './spec.ts';
import { sampleTexts } from './token-stream.ts';

/** An iteration is one forward pass with its loss, of texts that fill the context: what evaluation does. */
export function openForward({ model, batch, seed, engine }: ModelSpec): Workload {
  const params = loadParameters(initParameters(model, seed), { trainable: false });
  const documents = sampleTexts(model, batch, model.contextLength, seed);
  const tokens = batch * model.contextLength;
  let loss = Number.NaN;
  return {
    async iterate() {
      const scored = await bitsPerByte({
        ...ENGINES[engine],
        params,
        config: model,
        documents,
        bytes: tokens,
        endOfText: 0,
        batchSize: batch,
      });
      if (scored.tokens !== tokens)
        throw new Error(`${scored.tokens} tokens were scored instead of ${tokens}.`);
      loss = scored.nats / tokens;
    },
    facts: () => ({ loss }),
  };
}
