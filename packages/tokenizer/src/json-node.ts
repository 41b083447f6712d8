import { TrainyardError } from '@trainyard/contracts';

/** A value inside a parsed JSON document, together with the path that errors name. */
export class JsonNode {
  readonly value: unknown;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    this.value = value;
    this.#path = path;
  }

  /** The member `key`; a missing one is a node with the value undefined. */
  at(key: string): JsonNode {
    const object = this.object();
    const path = /^\w+$/.test(key)
      ? `${this.#path && `${this.#path}.`}${key}`
      : `${this.#path}[${JSON.stringify(key)}]`;
    return new JsonNode(Object.hasOwn(object, key) ? object[key] : undefined, path);
  }

  object(): Record<string, unknown> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) {
      this.fail('must be an object');
    }
    return this.value as Record<string, unknown>;
  }

  list(length?: number): JsonNode[] {
    if (!Array.isArray(this.value)) this.fail('must be a list');
    const values = this.value as unknown[];
    if (length !== undefined && values.length !== length) {
      this.fail(`must have ${length} entries, not ${values.length}`);
    }
    return values.map((value, i) => new JsonNode(value, `${this.#path}[${i}]`));
  }

  string(): string {
    return typeof this.value === 'string' ? this.value : this.fail('must be a string');
  }

  mustEqual(expected: string | number | boolean | null): void {
    if (this.value !== expected) this.fail(`must be ${JSON.stringify(expected)}`);
  }

  fail(problem: string): never {
    const path = this.#path;
    throw new TrainyardError('invalid_data', `tokenizer.json: ${path || 'the document'} ${problem}.`, {
      ...(path && { param: path }),
    });
  }
}
