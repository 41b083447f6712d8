/** Reads exact numbers of bytes from a stream of chunks. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @returns `length` bytes, or fewer where the stream ends. */
  async read(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; ) {
      if (this.#chunk.length === 0 && !(await this.#next())) break;
      const part = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** @returns how many bytes there were to pass over. */
  async skip(length: number): Promise<number> {
    let missing = length;
    while (missing > 0 && (this.#chunk.length > 0 || (await this.#next()))) {
      const part = Math.min(missing, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(part);
      missing -= part;
    }
    return length - missing;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #next(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done) return false;
    this.#chunk = value;
    return true;
  }
}
