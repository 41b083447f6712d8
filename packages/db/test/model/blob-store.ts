/** Where checkpoints lie: full at times, and a file in it may turn out damaged. A manifest's id is its place in `steps`. */
export class BlobStore {
  room = true;
  readonly damaged = new Set<number>();
  readonly steps: number[] = [];

  /** The manifest of a checkpoint at `step`; undefined if there is no room. */
  write(step: number): number | undefined {
    return this.room ? this.steps.push(step) - 1 : undefined;
  }

  /** Damages the last `count` checkpoints. */
  damage(count: number): void {
    for (let i = Math.max(0, this.steps.length - count); i < this.steps.length; i++) this.damaged.add(i);
  }
}
