import type { Progress } from '@trainyard/contracts';

const WINDOW = 50;

interface Point {
  step: number;
  at: number;
  tokens: number;
}

/** Follows a run's metrics and tells its progress: speed over the last steps, and the time that is left. */
export class Throughput {
  private readonly points: Point[] = [];
  private latest: { step: number; totalSteps: number; values: Record<string, number> } | undefined;

  /** `at` in milliseconds; `values.tokens`, where given, counts the step's tokens. */
  add(metrics: { step: number; totalSteps: number; at: number; values: Record<string, number> }): void {
    this.latest = metrics;
    this.points.push({ step: metrics.step, at: metrics.at, tokens: metrics.values.tokens ?? 0 });
    if (this.points.length > WINDOW) this.points.shift();
  }

  progress(): Progress | undefined {
    if (!this.latest) return undefined;
    const { step, totalSteps, values } = this.latest;
    const first = this.points[0]!;
    const seconds = (this.points.at(-1)!.at - first.at) / 1000;
    const tokens = this.points.slice(1).reduce((sum, point) => sum + point.tokens, 0);
    const measured = seconds > 0 && step > first.step;
    return {
      step,
      total_steps: totalSteps,
      values,
      tokens_per_second: measured && tokens > 0 ? Math.round(tokens / seconds) : null,
      seconds_left: measured ? Math.round(((totalSteps - step) * seconds) / (step - first.step)) : null,
    };
  }
}
