import { gzipSync } from 'node:zlib';

/** Bits per byte of `gzip -9` on the text as one file. */
export function gzipBitsPerByte(documents: readonly string[]): number {
  const text = Buffer.from(documents.join('\n'));
  return (gzipSync(text, { level: 9 }).length * 8) / text.length;
}

/**
 * Bits per byte of a byte bigram model with add-one smoothing, counted on training text: what the frequencies of byte
 * pairs alone predict.
 */
export class ByteBigram {
  private readonly counts = new Float64Array(256 * 256).fill(1);
  private readonly totals = new Float64Array(256).fill(256);

  add(text: string): void {
    const bytes = Buffer.from(`\n${text}`);
    for (let i = 1; i < bytes.length; i++) {
      this.counts[bytes[i - 1]! * 256 + bytes[i]!]!++;
      this.totals[bytes[i - 1]!]!++;
    }
  }

  bitsPerByte(documents: readonly string[]): number {
    let bits = 0;
    let count = 0;
    for (const document of documents) {
      const bytes = Buffer.from(`\n${document}`);
      for (let i = 1; i < bytes.length; i++)
        bits -= Math.log2(this.counts[bytes[i - 1]! * 256 + bytes[i]!]! / this.totals[bytes[i - 1]!]!);
      count += bytes.length - 1;
    }
    return bits / count;
  }
}
