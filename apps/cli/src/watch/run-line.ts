import { isFinal, type Progress, type Run } from '@trainyard/contracts';
import { bar, duration, figure, short } from '../terminal/figures.ts';

/** The metric to follow: the reward where there is one (rl), else the loss. */
export function leadingMetric(values: Record<string, number>): [name: string, value: number] | undefined {
  for (const name of ['reward', 'loss', ...Object.keys(values)])
    if (values[name] !== undefined) return [name, values[name]];
  return undefined;
}

/** `step 450/1000  loss 3.210  12.3k tokens/s  2m 05s left` */
export function progressText({
  step,
  total_steps,
  values,
  tokens_per_second,
  seconds_left,
}: Progress): string {
  const metric = leadingMetric(values);
  return [
    `step ${step}/${total_steps}`,
    ...(metric ? [`${metric[0]} ${figure(metric[1])}`] : []),
    ...(tokens_per_second === null ? [] : [`${short(tokens_per_second)} tokens/s`]),
    ...(seconds_left === null ? [] : [`${duration(seconds_left)} left`]),
  ].join('  ');
}

export const progressBar = ({ step, total_steps }: Progress): string => {
  const share = total_steps > 0 ? step / total_steps : 0;
  return `${bar(share)} ${String(Math.floor(share * 100)).padStart(3)}%`;
};

/** Why a run stands where it does, if there is anything to say. */
export function reasonOf({ state, error, state_reason }: Run): string {
  const reason = error?.message ?? state_reason;
  const telling = isFinal(state) || state === 'recovering' || state === 'blocked_storage';
  return reason && telling ? `: ${reason}` : '';
}
