/** A file of an export: its size is known before its content is made, which happens piece by piece. */
export interface ExportedFile {
  name: string;
  bytes: number;
  /** Each call makes the same content anew; pieces of a few MiB. */
  chunks(): Iterable<Uint8Array>;
}

export function textFile(name: string, text: string): ExportedFile {
  const content = new TextEncoder().encode(text);
  return { name, bytes: content.byteLength, chunks: () => [content] };
}

export const jsonFile = (name: string, value: unknown): ExportedFile =>
  textFile(name, `${JSON.stringify(value, null, 2)}\n`);
