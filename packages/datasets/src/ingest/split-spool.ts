import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { attempt, type BlobStore } from '@trainyard/storage';
import type { SplitContent } from '../version-content.ts';

const BUFFER_BYTES = 2 ** 18;

/** Collects one split's lines in a file before it goes to the store. */
export class SplitSpool {
  readonly #path: string;
  readonly #file: FileHandle;
  #buffer: Buffer[] = [];
  #buffered = 0;
  #records = 0;
  #characters = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<SplitSpool> {
    return new SplitSpool(path, await attempt(`making ${path}`, () => open(path, 'wx')));
  }

  async add(line: Buffer, characters: number): Promise<void> {
    this.#records++;
    this.#characters += characters;
    this.#buffer.push(line);
    this.#buffered += line.length;
    if (this.#buffered >= BUFFER_BYTES) await this.#flush();
  }

  async store(store: BlobStore): Promise<SplitContent> {
    await this.#flush();
    const blob = await store.put(createReadStream(this.#path));
    return { ...blob, records: this.#records, characters: this.#characters };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#buffer);
    this.#buffer = [];
    this.#buffered = 0;
    await attempt(`writing to ${this.#path}`, () => this.#file.appendFile(bytes));
  }
}
