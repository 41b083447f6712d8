import type { ErrorCode, ErrorDetail } from '@trainyard/contracts';
import type { BackendInfo, BackendPreference } from '@trainyard/tensor';
import type { ModelFiles, Task } from './task.ts';

/** From the API to the inference process. It works on one task at a time, and is sent no other meanwhile. */
export type ToProcess =
  | { type: 'open'; storageUrl: string; backend: BackendPreference }
  | { type: 'task'; id: number; model: ModelFiles; task: Task }
  | { type: 'cancel'; id: number };

export interface ErrorMessage {
  code: ErrorCode;
  message: string;
  param: string | undefined;
  details: readonly ErrorDetail[];
}

/** From the inference process to the API. */
export type FromProcess =
  | { type: 'opened'; backend: BackendInfo }
  | { type: 'text'; id: number; text: string }
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'error'; id: number; error: ErrorMessage };
