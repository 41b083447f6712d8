/**
 * A JSON value as Postgres can keep it: a NUL character or half of a surrogate pair, which it refuses and any model may
 * write, becomes U+FFFD.
 */
export function storable<T>(value: T): T {
  const text = JSON.stringify(value);
  // Each escape is consumed whole, so that the text of a backslash before "u0000" stays.
  const kept = text.replace(/\\(?:(u0000|ud[89a-f][0-9a-f]{2})|.)/g, (sequence, refused) =>
    refused ? '\ufffd' : sequence,
  );
  return (kept === text ? value : JSON.parse(kept)) as T;
}
