/** A line without its end; `bytes` is undefined where the line is longer than allowed. */
export interface Line {
  /** From 1. */
  number: number;
  bytes: Uint8Array | undefined;
}

const LINE_FEED = 0x0a;

/** Cuts a stream of chunks at line feeds, holding one unfinished line of at most `maxBytes` at a time. */
export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #number = 1;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this chunk. A line's bytes are valid until the caller reuses the chunk. */
  *push(chunk: Uint8Array): Generator<Line> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, if the stream did not end with a line feed. */
  *end(): Generator<Line> {
    if (this.#length > 0) yield this.#take();
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#maxBytes) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Line {
    const bytes =
      this.#length > this.#maxBytes
        ? undefined
        : this.#parts.length === 1
          ? this.#parts[0]
          : Buffer.concat(this.#parts);
    const line = { number: this.#number++, bytes };
    this.#parts = [];
    this.#length = 0;
    return line;
  }
}
