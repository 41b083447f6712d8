import { isFinal, isLeased, type RunEventName, type RunState, TRANSITIONS } from '@trainyard/contracts';
import type { OutcomeKind } from '../../src/lifecycle.ts';
import { type Decisions, LEASE } from './decisions.ts';
import { type Claim, furthest, type RunRow } from './postgres.ts';
import { must } from './violation.ts';

/** What the ledger knows of a run by its own account, whatever the run's row says. */
interface Account {
  run: RunRow;
  claims: Claim[];
  holder: Claim | undefined;
  leaseUntil: number;
  /** Where the attempt under way counts from. */
  start: number;
  deathsInRow: number;
  epoch: number;
  furthest: number;
  damaged: boolean;
  asked: 'pause' | 'cancel' | undefined;
  /** Whether anything happened to the run since it was checked. */
  touched: boolean;
}

/** Keeps its own account of all that happens and knows what must hold; none of the decisions under test are used for it. */
export class Ledger {
  private readonly accounts: Account[] = [];
  private readonly counts: Record<string, number>;

  /** `counts`: how often each thing of note happened. */
  constructor(counts: Record<string, number>) {
    this.counts = counts;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  open(run: RunRow): void {
    this.accounts.push({
      run,
      claims: [],
      holder: undefined,
      leaseUntil: 0,
      start: 0,
      deathsInRow: 0,
      epoch: 0,
      furthest: 0,
      damaged: false,
      asked: undefined,
      touched: true,
    });
  }

  claim(run: RunRow, claim: Claim, now: number): void {
    const account = this.accounts[run.id]!;
    must(!account.holder, `run ${run.id} was claimed while a worker had it`);
    must(
      account.claims.every(({ epoch }) => epoch < claim.epoch),
      `a claim of run ${run.id} did not raise the epoch`,
    );
    account.claims.push(claim);
    account.holder = claim;
    account.leaseUntil = now + LEASE;
    account.start = furthest(run);
    this.count(claim.epoch > 1 ? 'claim after another' : 'first claim');
  }

  accept(run: RunRow, claim: Claim, what: string): void {
    const account = this.accounts[run.id]!;
    account.touched = true;
    must(account.holder === claim, `a stale ${what} of epoch ${claim.epoch} of run ${run.id} was accepted`);
  }

  renew(run: RunRow, claim: Claim, now: number): void {
    this.accept(run, claim, 'heartbeat');
    this.accounts[run.id]!.leaseUntil = now + LEASE;
  }

  takeOver(run: RunRow, now: number): void {
    const { holder, leaseUntil } = this.accounts[run.id]!;
    must(holder !== undefined, `run ${run.id} was taken over though nobody had it`);
    must(leaseUntil < now, `run ${run.id} was taken over before its lease ran out`);
    this.count('take-over');
  }

  damage(run: RunRow): void {
    const account = this.accounts[run.id]!;
    account.damaged = true;
    account.start = Math.min(account.start, furthest(run));
    this.count('damage');
  }

  /** Called before the run moves on. */
  end(run: RunRow, outcome: OutcomeKind, quarantined: boolean): void {
    const account = this.accounts[run.id]!;
    if (furthest(run) > account.start) account.deathsInRow = 0;
    else if (outcome === 'crashed') account.deathsInRow += 1;
    const steered = run.state === 'pausing' || run.state === 'cancelling';
    const due = outcome === 'crashed' && account.deathsInRow >= run.maxAttempts && !steered;
    must(
      quarantined === due,
      `run ${run.id} was ${quarantined ? '' : 'not '}quarantined after ${account.deathsInRow} of ${run.maxAttempts} deaths in a row without progress`,
    );
    account.holder = undefined;
    this.count(quarantined ? 'quarantine' : `${outcome} while ${run.state}`);
  }

  moved(run: RunRow, from: RunState, event: RunEventName, to: RunState): void {
    this.accounts[run.id]!.touched = true;
    must(TRANSITIONS[event][from] === to, `${from} became ${to} by ${event}, which the table does not have`);
  }

  steered(run: RunRow, event: 'pause' | 'resume' | 'cancel' | 'retry'): void {
    const account = this.accounts[run.id]!;
    account.asked = event === 'pause' || event === 'cancel' ? event : undefined;
    if (event === 'retry') account.deathsInRow = 0;
    this.count(`${event}: ${run.state}`);
  }

  /** After every action. */
  check(decisions: Decisions): void {
    for (const account of this.accounts)
      if (account.touched) {
        account.touched = false;
        this.checkRun(account, decisions);
      }
  }

  private checkRun(account: Account, decisions: Decisions): void {
    const { run, claims, holder, asked } = account;
    must(run.epoch >= account.epoch, `the epoch of run ${run.id} fell`);
    account.epoch = run.epoch;
    for (const claim of claims)
      must(
        decisions.fenceHolds(run, claim.epoch) === (claim === holder),
        `epoch ${claim.epoch} of run ${run.id} ${claim === holder ? 'cannot' : 'still can'} write`,
      );
    must(
      (run.leaseExpiresAt !== null) === isLeased(run.state),
      `run ${run.id} is ${run.state} ${run.leaseExpiresAt === null ? 'without' : 'with'} a lease`,
    );
    must(run.barrenAttempts <= run.maxAttempts, `run ${run.id} had more barren attempts than it may`);
    if (asked) must(HONOURED[asked].includes(run.state), `run ${run.id} is ${run.state} after ${asked}`);
    const reached = furthest(run);
    must(
      reached >= account.furthest || account.damaged,
      `the last sound checkpoint of run ${run.id} went back from ${account.furthest} to ${reached}`,
    );
    account.furthest = reached;
    account.damaged = false;
    checkCurve(run, reached, decisions);
  }
}

const HONOURED: Record<'pause' | 'cancel', RunState[]> = {
  pause: ['pausing', 'paused', 'succeeded', 'failed', 'cancelled'],
  cancel: ['cancelling', 'succeeded', 'failed', 'cancelled'],
};

/** Every step once, from the first to the last that was recorded, which is not before the last checkpoint. */
function checkCurve(run: RunRow, reached: number, { supersedes }: Decisions): void {
  const seen: boolean[] = [];
  let last = 0;
  let points = 0;
  for (const metric of run.metrics) {
    if (run.attemptRows.some((attempt) => supersedes(attempt, metric))) continue;
    must(!seen[metric.step], `step ${metric.step} of run ${run.id} is on the curve twice`);
    seen[metric.step] = true;
    points += 1;
    if (metric.step > last) last = metric.step;
  }
  must(points === last, `the curve of run ${run.id} has a gap before step ${last}`);
  must(last >= reached, `the curve of run ${run.id} ends at ${last}, its last checkpoint is at ${reached}`);
}

export const settled = (state: RunState): boolean => isFinal(state) || state === 'paused';
