import type { ExportDtype } from '@trainyard/contracts';
import { encodeSafetensorsHeader } from '@trainyard/storage';
import type { Weight, Weights } from './checkpoint-content.ts';
import { type ExportedFile, jsonFile } from './exported-file.ts';
import { narrow, WEIGHT_DTYPES } from './weight-dtype.ts';

type Named = [name: string, weight: Weight];

/** One safetensors file; tensors lie in it in the order given. */
export function safetensorsFile(name: string, weights: readonly Named[], dtype: ExportDtype): ExportedFile {
  const { code, bytes: size } = WEIGHT_DTYPES[dtype];
  const layout = weights.map(([tensor, { shape, data }]) => ({
    name: tensor,
    code,
    shape,
    bytes: size * data.length,
  }));
  const header = encodeSafetensorsHeader(layout, { format: 'pt' });
  return {
    name,
    bytes: layout.reduce((sum, { bytes }) => sum + bytes, header.byteLength),
    *chunks() {
      yield header;
      for (const [, { data }] of weights) yield* narrow(data, dtype);
    },
  };
}

/**
 * `model.safetensors`, or shards of at most `maxShardBytes` of data (a tensor is never divided) with the index that
 * tells which tensor lies where, as Hugging Face's `save_pretrained` names them.
 */
export function safetensorsShards(
  weights: Weights,
  dtype: ExportDtype,
  maxShardBytes: number,
): ExportedFile[] {
  const named = Object.entries(weights).sort(([a], [b]) => (a < b ? -1 : 1));
  const { bytes: size } = WEIGHT_DTYPES[dtype];
  const shards: Named[][] = [];
  let room = 0;
  for (const entry of named) {
    const bytes = size * entry[1].data.length;
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = maxShardBytes;
    }
    shards.at(-1)!.push(entry);
    room -= bytes;
  }
  if (shards.length === 1) return [safetensorsFile('model.safetensors', shards[0]!, dtype)];
  const number = (i: number): string => String(i).padStart(5, '0');
  const files = shards.map((shard, i) =>
    safetensorsFile(`model-${number(i + 1)}-of-${number(shards.length)}.safetensors`, shard, dtype),
  );
  const weight_map = Object.fromEntries(
    shards.flatMap((shard, i) => shard.map(([name]) => [name, files[i]!.name] as const)),
  );
  const total_size = named.reduce((sum, [, { data }]) => sum + size * data.length, 0);
  return [...files, jsonFile('model.safetensors.index.json', { metadata: { total_size }, weight_map })];
}
