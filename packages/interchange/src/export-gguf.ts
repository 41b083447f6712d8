import type { ExportDtype } from '@trainyard/contracts';
import { type CheckpointContent, refuseKind } from './checkpoint-content.ts';
import type { ExportedFile } from './exported-file.ts';
import { ggufMetadata } from './gguf-metadata.ts';
import { type GgufTensor, ggufTensors } from './gguf-tensors.ts';
import { GgufBuffer } from './gguf-values.ts';
import { modelCard } from './model-card.ts';
import { checkRange, narrow, WEIGHT_DTYPES } from './weight-dtype.ts';

/** `general.alignment` of a file that does not say otherwise. */
const ALIGNMENT = 32;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * One GGUF file, version 3, architecture `llama`, as llama.cpp's converter writes it
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); norms stay f32. Throws `incompatible_checkpoint` for
 * masked and reward models, which the architecture has no place for, and for weights that the dtype cannot hold.
 */
export function exportGguf(content: CheckpointContent, { dtype }: { dtype: ExportDtype }): ExportedFile[] {
  const { kind, model, weights } = content;
  if (model.attention === 'bidirectional')
    refuseKind(kind, 'gguf', 'it attends both ways, and the architecture llama only backwards');
  if (kind === 'reward') refuseKind(kind, 'gguf', 'the architecture llama has no scoring head');
  checkRange(weights, dtype);
  const tensors = ggufTensors(weights, model);
  const dtypeOf = ({ shape }: GgufTensor): ExportDtype => (shape.length === 1 ? 'f32' : dtype);
  const size = (tensor: GgufTensor): number => tensor.length * WEIGHT_DTYPES[dtypeOf(tensor)].bytes;
  const metadata = ggufMetadata(content, dtype);
  const head = new GgufBuffer().bytes(new TextEncoder().encode('GGUF')).uint32(3);
  head.uint64(tensors.length).uint64(metadata.length);
  for (const [key, value] of metadata) head.string(key).value(value);
  let offset = 0;
  for (const tensor of tensors) {
    head.string(tensor.name).uint32(tensor.shape.length);
    // Dimensions begin with the one whose neighbours are adjacent in memory.
    for (const dimension of tensor.shape.toReversed()) head.uint64(dimension);
    head.uint32(WEIGHT_DTYPES[dtypeOf(tensor)].ggml).uint64(offset);
    offset += aligned(size(tensor));
  }
  const header = head.align(ALIGNMENT).toBytes();
  const file: ExportedFile = {
    name: `model-${dtype}.gguf`,
    bytes: header.byteLength + offset,
    *chunks() {
      yield header;
      for (const tensor of tensors) {
        yield* narrow(tensor.values(), dtypeOf(tensor));
        yield new Uint8Array(aligned(size(tensor)) - size(tensor));
      }
    },
  };
  return [modelCard(content.card), file];
}
