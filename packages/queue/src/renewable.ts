interface Closable {
  close(force?: boolean): Promise<void>;
}

/**
 * BullMQ's objects by stage. After a failure the stage's object is made anew at the next use: one that was made
 * while its server was away remembers the failure for ever.
 */
export class Renewable<T extends Closable> {
  readonly #made = new Map<string, T>();
  readonly #make: (stage: string) => T;

  constructor(make: (stage: string) => T) {
    this.#make = make;
  }

  async use<R>(stage: string, operation: (made: T) => Promise<R>): Promise<R> {
    const made = this.#made.get(stage) ?? this.#make(stage);
    this.#made.set(stage, made);
    try {
      return await operation(made);
    } catch (error) {
      if (this.#made.get(stage) === made) this.#made.delete(stage);
      void made.close(true).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    const all = [...this.#made.values()];
    this.#made.clear();
    await Promise.all(all.map((made) => made.close(true).catch(() => {})));
  }
}
