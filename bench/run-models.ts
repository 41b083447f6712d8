import { ours, peers } from './commands.ts';
import { contest, type Effort, type Entrant, type Measured } from './contest.ts';
import { runsOn } from './engines.ts';
import { modelFigures, PEER } from './figures.ts';
import { measureLimits, raiseLimits } from './measure-limits.ts';
import type { Backend, Options } from './options.ts';
import { addDropped, type Outcome, type Surroundings } from './outcome.ts';
import { type Heat, nameOf, plan } from './plan.ts';
import { workOf } from './work.ts';

export async function runModels(
  options: Options,
  effort: Effort,
  around: Surroundings,
  outcome: Outcome,
): Promise<void> {
  const { sgemm } = outcome;
  await measureLimits(options, around, outcome);
  const speeds = Object.entries(sgemm).map(([backend, { best }]) => [backend as Backend, best] as const);
  const { heats, leftOut } = plan(options, around.threads, new Map(speeds));
  outcome.leftOut.push(...leftOut);
  const contests: { heat: Heat; measured: Measured[] }[] = [];
  for (const heat of heats) {
    around.log(`${nameOf(heat)} ...`);
    const { measured, failed } = await contest(entrants(heat, options, around), effort);
    for (const { name, seconds } of measured)
      around.log(`  ${name}: ${(workOf(heat.spec).tokens / seconds.median).toFixed(1)} tokens/s`);
    contests.push({ heat, measured });
    addDropped(failed, nameOf(heat), outcome);
  }
  await raiseLimits(options, around, outcome);
  for (const { heat, measured } of contests) {
    const { backend } = heat.spec;
    const limit = sgemm[backend === 'tensorflow-gpu' ? backend : 'tensorflow']?.best;
    outcome.models.push(...modelFigures(heat, measured, limit));
  }
}

/** The engines, and on the cores' own backend PyTorch beside them. */
function entrants({ spec }: Heat, { engines }: Options, { torch }: Surroundings): Entrant[] {
  const own = engines
    .filter((engine) => runsOn(engine, spec.backend))
    .map((engine) => ({ name: engine, command: ours('measure.ts', { ...spec, engine }) }));
  if (!torch || spec.backend !== 'tensorflow') return own;
  const variants = ['eager', 'compile'].map((variant) => ({
    name: `${PEER}${variant}`,
    command: peers(torch, { ...spec, engine: engines[0]! }, variant),
  }));
  return [...own, ...variants];
}
