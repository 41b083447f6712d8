/**
 * The byte-to-unicode alphabet of GPT-2 (Radford et al. 2019), in which tokenizer.json spells tokens: printable
 * Latin-1 stands for itself, every other byte takes the next code point from U+0100.
 */
export const BYTE_ALPHABET: readonly string[] = buildAlphabet();

function buildAlphabet(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}
