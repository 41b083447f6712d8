import { TrainyardError } from '@trainyard/contracts';

/** A parsed configuration file; errors name the file and the key. */
export class ConfigReader {
  readonly #file: string;
  readonly #values: Record<string, unknown>;

  constructor(file: string, values: Record<string, unknown>) {
    this.#file = file;
    this.#values = values;
  }

  /** Null, which Python writes for what is not set, counts as absent. */
  get(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  fail(key: string, problem: string): never {
    throw new TrainyardError('invalid_data', `${this.#file}: ${key} ${problem}.`, { param: key });
  }

  /** A whole number from 1 to `most`. */
  count(key: string, most: number, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > most)
      this.fail(key, `is ${JSON.stringify(value)}; it must be a whole number from 1 to ${most}`);
    return value as number;
  }

  positive(key: string, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (!Number.isFinite(value) || !((value as number) > 0))
      this.fail(key, `is ${JSON.stringify(value)}; it must be a number above 0`);
    return value as number;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.get(key) ?? fallback;
    return typeof value === 'boolean' ? value : this.fail(key, 'must be true or false');
  }

  /** Refuses every value but the given one, which is also the one of a key that is left out. */
  only(key: string, allowed: unknown, reason: string): void {
    const value = this.get(key);
    if (value !== undefined && JSON.stringify(value) !== JSON.stringify(allowed))
      this.fail(key, `is ${JSON.stringify(value)?.slice(0, 100)}, which is not supported: ${reason}`);
  }

  /** Refuses a key that says anything at all. */
  absent(key: string, reason: string): void {
    const value = this.get(key);
    const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (value !== undefined && value !== false && !empty)
      this.fail(key, `is ${JSON.stringify(value)?.slice(0, 100)}, which is not supported: ${reason}`);
  }
}
