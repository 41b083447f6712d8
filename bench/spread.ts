export interface Spread {
  median: number;
  p10: number;
  p90: number;
}

/** Of one value or more; between two values by linear interpolation. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)]!;
    return below + (place % 1) * (sorted[Math.ceil(place)]! - below);
  };
  return { median: quantile(0.5), p10: quantile(0.1), p90: quantile(0.9) };
}
