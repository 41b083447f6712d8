import { TrainyardError } from '@trainyard/contracts';

/** `problem` says what is wrong without repeating the address, which might hold a secret. */
export function invalidUrl(problem: string): TrainyardError {
  return new TrainyardError('invalid_config', `The storage address is not usable: ${problem}.`, {
    param: 'storage',
  });
}
