import { type Command, Contestant } from './contestant.ts';
import type { Facts } from './spec.ts';
import { type Spread, spread } from './spread.ts';

export interface Entrant {
  name: string;
  command: Command;
}

export interface Measured {
  name: string;
  /** The first iteration, with all that happens only once. */
  first: number;
  /** Of the iterations that count, in seconds. */
  seconds: Spread;
  iterations: number;
  peakBytes: number;
  facts: Facts;
}

export interface Failed {
  name: string;
  reason: string;
}

export interface Effort {
  /** Exactly so many iterations; else as many as fit into `seconds`, within `least` and `most`. */
  iterations?: number;
  seconds: number;
  least: number;
  most: number;
}

/** Long enough that caches and threads are warm again soon after a turn's begin. */
const TURN_SECONDS = 1;

/**
 * Measures the entrants in turn, about a second each, until every one has done as many iterations, so that whatever else
 * happens on the machine meets all of them. They are set up one after another; one that fails drops out.
 */
export async function contest(
  entrants: Entrant[],
  effort: Effort,
): Promise<{ measured: Measured[]; failed: Failed[] }> {
  const failed: Failed[] = [];
  const running: { name: string; contestant: Contestant; seconds: number[] }[] = [];
  const give = (name: string, error: unknown) => failed.push({ name, reason: (error as Error).message });
  for (const { name, command } of entrants) {
    try {
      running.push({ name, contestant: await Contestant.start(command), seconds: [] });
    } catch (error) {
      give(name, error);
    }
  }

  const slowest = Math.max(...running.map(({ contestant }) => contestant.ready.warmSeconds));
  const fitting = Math.min(effort.most, Math.max(effort.least, Math.round(effort.seconds / slowest)));
  const wanted = effort.iterations ?? fitting;
  const measured: Measured[] = [];
  while (running.length > 0) {
    for (const entry of [...running]) {
      const { name, contestant, seconds } = entry;
      try {
        const left = wanted - seconds.length;
        seconds.push(...(await contestant.turn({ seconds: TURN_SECONDS, iterations: left })));
        if (seconds.length < wanted) continue;
        measured.push({
          name,
          first: contestant.ready.firstSeconds,
          seconds: spread(seconds),
          iterations: seconds.length,
          ...(await contestant.end()),
        });
      } catch (error) {
        contestant.kill();
        give(name, error);
      }
      running.splice(running.indexOf(entry), 1);
    }
  }
  const place = ({ name }: { name: string }) => entrants.findIndex((entrant) => entrant.name === name);
  return { measured: measured.sort((a, b) => place(a) - place(b)), failed };
}
