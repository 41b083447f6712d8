import { BpeTrainer, type Tokenizer } from '@trainyard/tokenizer';
import type { Ending, TrainerContext } from '../context.ts';
import { records } from '../load-inputs.ts';

const REPORT_EVERY = 200;
const MEASURED_BYTES = 1_000_000;

/** Learns the merges of a byte-level BPE from the datasets' training text and publishes the tokenizer. */
export async function trainTokenizer(context: TrainerContext<'tokenizer'>): Promise<Ending> {
  const { config, blobs, send, now } = context;
  const trainer = new BpeTrainer({ vocabSize: config.vocab_size });
  let bytes = 0;
  for await (const { text } of records<'text'>(context, 'train')) {
    trainer.add(text);
    bytes += Buffer.byteLength(text);
    if (bytes >= config.max_bytes) break;
    if (context.stopRequested() !== 'no') return { kind: 'stopped', step: 0 };
  }
  const tokenizer = trainer.train({
    onProgress: (step, totalSteps) => {
      if (step % REPORT_EVERY === 0 || step === totalSteps)
        void send({ type: 'metrics', step, totalSteps, at: now(), values: { merges: step } });
    },
  });
  const { sha256 } = await blobs.put(new TextEncoder().encode(JSON.stringify(tokenizer.toJson())));
  const bytesPerToken = await measure(context, tokenizer);
  await send({ type: 'tokenizer', vocabSize: tokenizer.vocabSize, sha256, bytesPerToken });
  return {
    kind: 'done',
    result: { vocab_size: tokenizer.vocabSize, bytes_read: bytes, bytes_per_token: bytesPerToken },
  };
}

/** Bytes per token on held-out text, or on the training text where nothing is held out. */
async function measure(context: TrainerContext<'tokenizer'>, tokenizer: Tokenizer): Promise<number> {
  const heldOut = context.job.inputs.datasets.some(({ content }) => content.heldOut.records > 0);
  let bytes = 0;
  let tokens = 0;
  for await (const { text } of records<'text'>(context, heldOut ? 'held_out' : 'train')) {
    bytes += Buffer.byteLength(text);
    tokens += tokenizer.encode(text).length;
    if (bytes >= MEASURED_BYTES) break;
  }
  return bytes / tokens;
}
