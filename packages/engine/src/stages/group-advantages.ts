/**
 * Advantages of the answers to one prompt, group-normalised: (r - mean) / standard deviation of the group (Shao et
 * al. 2024, "DeepSeekMath", section 4.1.2; population deviation). A group whose rewards are all the same holds no
 * preference: its advantages are exactly 0.
 */
export function groupAdvantages(rewards: readonly number[]): number[] {
  const first = rewards[0];
  if (rewards.every((reward) => reward === first)) return rewards.map(() => 0);
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const variance = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / rewards.length;
  const deviation = Math.sqrt(variance);
  return rewards.map((reward) => (deviation > 0 ? (reward - mean) / deviation : 0));
}
