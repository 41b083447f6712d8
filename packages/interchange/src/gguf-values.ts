/** Value types of GGUF that are used here (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). */
const TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

export type GgufValue =
  | { type: 'uint32' | 'float32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'int32s'; value: readonly number[] };

const utf8 = new TextEncoder();

/** Bytes in little-endian order, put together once at the end. */
export class GgufBuffer {
  readonly #parts: Uint8Array[] = [];
  byteLength = 0;

  bytes(part: Uint8Array): this {
    this.#parts.push(part);
    this.byteLength += part.byteLength;
    return this;
  }

  uint32(value: number): this {
    const part = new Uint8Array(4);
    new DataView(part.buffer).setUint32(0, value, true);
    return this.bytes(part);
  }

  uint64(value: number): this {
    const part = new Uint8Array(8);
    new DataView(part.buffer).setBigUint64(0, BigInt(value), true);
    return this.bytes(part);
  }

  string(text: string): this {
    const content = utf8.encode(text);
    return this.uint64(content.byteLength).bytes(content);
  }

  value(entry: GgufValue): this {
    switch (entry.type) {
      case 'uint32':
        return this.uint32(TYPES.uint32).uint32(entry.value);
      case 'float32':
        return this.uint32(TYPES.float32).bytes(new Uint8Array(Float32Array.of(entry.value).buffer));
      case 'bool':
        return this.uint32(TYPES.bool).bytes(Uint8Array.of(entry.value ? 1 : 0));
      case 'string':
        return this.uint32(TYPES.string).string(entry.value);
      case 'strings': {
        this.uint32(TYPES.array).uint32(TYPES.string).uint64(entry.value.length);
        for (const text of entry.value) this.string(text);
        return this;
      }
      case 'int32s':
        this.uint32(TYPES.array).uint32(TYPES.int32).uint64(entry.value.length);
        return this.bytes(new Uint8Array(Int32Array.from(entry.value).buffer));
    }
  }

  /** Zeros up to the next multiple. */
  align(multiple: number): this {
    return this.bytes(new Uint8Array((multiple - (this.byteLength % multiple)) % multiple));
  }

  toBytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}
