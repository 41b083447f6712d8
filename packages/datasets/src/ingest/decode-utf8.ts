import { isUtf8 } from 'node:buffer';

/** The text of some bytes, or where they stop being UTF-8: the first byte (from 1) that cannot follow those before. */
export function decodeUtf8(bytes: Uint8Array): { text: string } | { invalidByte: number } {
  if (isUtf8(bytes)) return { text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() };
  let valid = 0;
  let invalid = bytes.length + 1;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (isPrefix(bytes.subarray(0, middle))) valid = middle;
    else invalid = middle;
  }
  return { invalidByte: invalid };
}

/** Whether some continuation makes these bytes UTF-8. */
function isPrefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
