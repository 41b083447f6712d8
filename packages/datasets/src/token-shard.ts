import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { TrainyardError } from '@trainyard/contracts';
import { attempt } from '@trainyard/storage';

const MAGIC = 'TYTOKEN1';
/** magic (8 bytes) | bytes per token (u32) | 0 (u32) | tokens (f64) | SHA-256 of the tokens (32); little endian. */
const HEADER_BYTES = 56;
const BUFFER_TOKENS = 2 ** 16;

type TokenArray = Uint16Array | Uint32Array;

/**
 * A packed file of tokens, read piece by piece. Little endian, as all processors that Node.js has TensorFlow for.
 */
export class TokenShard {
  /** In tokens. */
  readonly length: number;
  readonly #fd: number;
  readonly #bytesPerToken: number;

  private constructor(fd: number, length: number, bytesPerToken: number) {
    this.#fd = fd;
    this.length = length;
    this.#bytesPerToken = bytesPerToken;
  }

  /**
   * @throws TrainyardError `integrity` unless the file is as long as its header says and has the hash that it says; an
   *   error of the file system (ENOENT) without the file.
   */
  static async open(path: string): Promise<TokenShard> {
    const file = await open(path);
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      await file.read(header, 0, HEADER_BYTES, 0);
      const bytesPerToken = header.readUInt32LE(8);
      const length = header.readDoubleLE(16);
      const { size } = await file.stat();
      const isWhole =
        header.toString('latin1', 0, 8) === MAGIC && size === HEADER_BYTES + length * bytesPerToken;
      if (!isWhole || !(await hashOfTokens(path)).equals(header.subarray(24)))
        throw new TrainyardError('integrity', `${path} is not the token file that was written; delete it.`);
      return new TokenShard(openSync(path, 'r'), length, bytesPerToken);
    } finally {
      await file.close();
    }
  }

  /** Tokens offset, ..., offset + count - 1. @throws RangeError outside the shard. */
  read(offset: number, count: number): Int32Array {
    if (!(offset >= 0 && count >= 0 && offset + count <= this.length))
      throw new RangeError(`Tokens ${offset} to ${offset + count} of a shard of ${this.length}.`);
    const tokens = this.#bytesPerToken === 2 ? new Uint16Array(count) : new Uint32Array(count);
    const bytes = new Uint8Array(tokens.buffer);
    const start = HEADER_BYTES + offset * this.#bytesPerToken;
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(this.#fd, bytes, done, bytes.length - done, start + done);
      if (read === 0) throw new TrainyardError('integrity', 'A token file became shorter while it was read.');
      done += read;
    }
    return Int32Array.from(tokens);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

async function hashOfTokens(path: string): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { start: HEADER_BYTES })) hash.update(chunk as Buffer);
  return hash.digest();
}

const WRITING = 'writing token shards to the cache folder';

/** Writes what TokenShard.open reads; the header comes last, so that an unfinished file never opens. */
export class TokenShardWriter {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #buffer: TokenArray;
  #buffered = 0;
  #length = 0;

  private constructor(file: FileHandle, buffer: TokenArray) {
    this.#file = file;
    this.#buffer = buffer;
  }

  static async create(path: string, vocabSize: number): Promise<TokenShardWriter> {
    const file = await attempt(`making ${path}`, () => open(path, 'wx'));
    await attempt(WRITING, () => file.write(Buffer.alloc(HEADER_BYTES)));
    return new TokenShardWriter(
      file,
      vocabSize <= 2 ** 16 ? new Uint16Array(BUFFER_TOKENS) : new Uint32Array(BUFFER_TOKENS),
    );
  }

  async add(tokens: Int32Array): Promise<void> {
    for (let start = 0; start < tokens.length; ) {
      const part = tokens.subarray(start, start + BUFFER_TOKENS - this.#buffered);
      this.#buffer.set(part, this.#buffered);
      this.#buffered += part.length;
      start += part.length;
      if (this.#buffered === BUFFER_TOKENS) await this.#flush();
    }
    this.#length += tokens.length;
  }

  async finish(): Promise<void> {
    await this.#flush();
    const header = Buffer.alloc(HEADER_BYTES);
    header.write(MAGIC, 'latin1');
    header.writeUInt32LE(this.#buffer.BYTES_PER_ELEMENT, 8);
    header.writeDoubleLE(this.#length, 16);
    this.#hash.digest().copy(header, 24);
    await attempt(WRITING, async () => {
      await this.#file.write(header, 0, HEADER_BYTES, 0);
      await this.#file.sync();
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#buffered * this.#buffer.BYTES_PER_ELEMENT);
    this.#hash.update(bytes);
    await attempt(WRITING, async () => {
      for (let done = 0; done < bytes.length; )
        done += (await this.#file.write(bytes, done, bytes.length - done)).bytesWritten;
    });
    this.#buffered = 0;
  }
}
