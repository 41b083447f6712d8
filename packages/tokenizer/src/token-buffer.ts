/** A growing Int32Array. */
export class TokenBuffer {
  #tokens: Int32Array;
  #length = 0;

  constructor(capacity: number) {
    this.#tokens = new Int32Array(Math.max(16, capacity));
  }

  get length(): number {
    return this.#length;
  }

  push(token: number): void {
    this.#reserve(1);
    this.#tokens[this.#length++] = token;
  }

  append(source: Int32Array, start: number, count: number): void {
    this.#reserve(count);
    for (let i = 0; i < count; i++) this.#tokens[this.#length + i] = source[start + i]!;
    this.#length += count;
  }

  toArray(): Int32Array {
    return this.#tokens.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#tokens.length) return;
    const larger = new Int32Array(Math.max(needed, 2 * this.#tokens.length));
    larger.set(this.#tokens);
    this.#tokens = larger;
  }
}
