import type { Checkpoint } from '@trainyard/contracts';
import { bytes, short } from '../terminal/figures.ts';
import { fields } from '../terminal/table.ts';

/** All about a checkpoint, for a terminal. */
export const showCheckpoint = ({ model, metrics, ...checkpoint }: Checkpoint): string =>
  [
    fields({ ...checkpoint, bytes: bytes(checkpoint.bytes), parameters: short(checkpoint.parameters) }),
    `model    ${JSON.stringify(model)}`,
    `metrics  ${JSON.stringify(metrics)}`,
  ].join('\n');
