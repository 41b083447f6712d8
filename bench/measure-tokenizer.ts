import { readFileSync, writeFileSync } from 'node:fs';
import { BpeTrainer, type Tokenizer } from '@trainyard/tokenizer';
import type { TokenizerSpec, Workload } from './spec.ts';

/** An iteration is one training on, or one encoding of, all documents, on one core. */
export function openTokenizer({
  workload,
  vocabSize,
  documentsFile,
  tokenizerFile,
}: TokenizerSpec): Workload {
  const documents: string[] = JSON.parse(readFileSync(documentsFile, 'utf8'));
  const train = (): Tokenizer => {
    const trainer = new BpeTrainer({ vocabSize });
    for (const document of documents) trainer.add(document);
    return trainer.train();
  };
  let tokenizer = train();
  writeFileSync(tokenizerFile, JSON.stringify(tokenizer.toJson()));
  if (workload === 'tokenizer_train')
    return {
      async iterate() {
        tokenizer = train();
      },
      facts: () => ({ entries: tokenizer.vocabSize }),
    };
  let tokens = 0;
  return {
    async iterate() {
      tokens = 0;
      for (const document of documents) tokens += tokenizer.encode(document).length;
    },
    facts: () => ({ tokens }),
  };
}
