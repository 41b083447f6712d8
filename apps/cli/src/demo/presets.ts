/** Everything that tunes the demo. The bars that a run is held to are in gates.ts and do not depend on these. */
export interface DemoPreset {
  /** Documents of WordNet beside the whole factbook. */
  wordnetDocuments: number;
  vocabSize: number;
  model: 'tiny' | 'mini';
  pretrain: { steps: number; batch_size: number; learning_rate: number };
  masked: { steps: number; batch_size: number; learning_rate: number };
  finetune: { steps: number; batch_size: number; learning_rate: number };
  rl: { steps: number; promptsPerStep: number; groupSize: number; learningRate: number };
  /** Most documents, words and questions in one evaluation. */
  evaluation: { documents: number; words: number; questions: number; samples: number };
}

export const PRESETS = {
  /** For native TensorFlow on two cores. */
  full: {
    wordnetDocuments: 25_000,
    vocabSize: 1024,
    model: 'mini',
    pretrain: { steps: 1600, batch_size: 8, learning_rate: 3e-3 },
    masked: { steps: 900, batch_size: 8, learning_rate: 3e-3 },
    finetune: { steps: 600, batch_size: 5, learning_rate: 1.5e-3 },
    rl: { steps: 60, promptsPerStep: 16, groupSize: 8, learningRate: 1e-4 },
    evaluation: { documents: 400, words: 200, questions: 1000, samples: 8 },
  },
  /** For WebAssembly, several times slower: about half of the work. */
  wasm: {
    wordnetDocuments: 8000,
    vocabSize: 1024,
    model: 'mini',
    pretrain: { steps: 700, batch_size: 5, learning_rate: 3e-3 },
    masked: { steps: 900, batch_size: 6, learning_rate: 3e-3 },
    finetune: { steps: 600, batch_size: 5, learning_rate: 1.5e-3 },
    rl: { steps: 50, promptsPerStep: 12, groupSize: 8, learningRate: 1e-4 },
    evaluation: { documents: 200, words: 100, questions: 300, samples: 4 },
  },
  /** For tests: every part runs, nothing is learnt. */
  smoke: {
    wordnetDocuments: 300,
    vocabSize: 512,
    model: 'tiny',
    pretrain: { steps: 150, batch_size: 8, learning_rate: 3e-3 },
    masked: { steps: 10, batch_size: 8, learning_rate: 3e-3 },
    finetune: { steps: 10, batch_size: 8, learning_rate: 3e-3 },
    rl: { steps: 2, promptsPerStep: 4, groupSize: 4, learningRate: 1e-4 },
    evaluation: { documents: 40, words: 20, questions: 20, samples: 2 },
  },
} as const satisfies Record<string, DemoPreset>;

export type PresetName = keyof typeof PRESETS;
