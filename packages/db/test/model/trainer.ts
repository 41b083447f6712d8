import type { BlobStore } from './blob-store.ts';
import { LEASE } from './decisions.ts';
import type { Stop } from './worker.ts';

/** Steps that make a run, and between checkpoints. */
export const STEPS = 6;
const CHECKPOINT_EVERY = 2;

export type Said =
  | { kind: 'start' }
  | { kind: 'metrics'; step: number }
  | { kind: 'checkpoint'; step: number; manifest: number }
  | { kind: 'damage'; manifest: number }
  | { kind: 'stopped' }
  | { kind: 'ended'; outcome: 'succeeded' | 'failed' | 'blocked' };

/** The trainer process of apps/worker (trainer/main.ts, drive.ts): makes steps and stores checkpoints meanwhile. */
export class Trainer {
  gone = false;
  leaseRenewed: number;
  private loaded = false;
  private step = 0;
  /** Of the checkpoint that is being stored. */
  private storing: number | undefined;
  private stored = 0;
  private readonly manifests: number[];
  private readonly store: BlobStore;

  constructor(store: BlobStore, manifests: readonly number[], now: number) {
    this.store = store;
    this.manifests = [...manifests];
    this.leaseRenewed = now;
  }

  /** Its next thing, and what it tells its worker. `ahead`: makes a step although a checkpoint is being stored. */
  work(now: number, stopping: Stop | undefined, ahead: boolean, mishap?: 'rewind' | 'fail'): Said[] {
    if (now >= this.leaseRenewed + LEASE) {
      this.gone = true; // its worker is silent
      return [];
    }
    if (!this.loaded) return this.begin();
    if (mishap === 'fail') return this.end({ kind: 'ended', outcome: 'failed' });
    if (mishap === 'rewind') return this.rewind();
    if (stopping === 'cancel') return this.end({ kind: 'stopped' });
    if (this.storing !== undefined && !(ahead && !stopping && this.mayStep)) return this.finishStoring();
    if (this.stored === this.step) {
      if (this.step === STEPS) return this.end({ kind: 'ended', outcome: 'succeeded' });
      if (stopping) return this.end({ kind: 'stopped' });
    }
    if (stopping || !this.mayStep) {
      this.storing = this.step;
      return [];
    }
    this.step += 1;
    return [{ kind: 'metrics', step: this.step }];
  }

  /** No more than one checkpoint waits in memory. */
  private get mayStep(): boolean {
    const due = this.step % CHECKPOINT_EVERY === 0 && this.step !== this.stored && this.step !== this.storing;
    return !due && this.step < STEPS;
  }

  private begin(): Said[] {
    this.loaded = true;
    return [{ kind: 'start' }, ...this.load()];
  }

  /** Goes on from the first checkpoint that is whole, and tells of each that is not. */
  private load(): Said[] {
    const said: Said[] = [];
    this.step = 0;
    for (const manifest of this.manifests) {
      if (!this.store.damaged.has(manifest)) {
        this.step = this.store.steps[manifest]!;
        break;
      }
      said.push({ kind: 'damage', manifest });
    }
    this.stored = this.step;
    return said;
  }

  /** The loss is not finite: keeps what is being stored if that can be, and goes back to the last checkpoint. */
  private rewind(): Said[] {
    const said = this.storing === undefined || !this.store.room ? [] : this.finishStoring();
    this.storing = undefined;
    return [...said, ...this.load()];
  }

  private finishStoring(): Said[] {
    const step = this.storing!;
    const manifest = this.store.write(step);
    if (manifest === undefined) return this.end({ kind: 'ended', outcome: 'blocked' });
    this.storing = undefined;
    this.stored = step;
    this.manifests.unshift(manifest);
    return [{ kind: 'checkpoint', step, manifest }];
  }

  private end(last: Said): Said[] {
    this.gone = true;
    return [last];
  }
}
