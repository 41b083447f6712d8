/** Ways to put one question, `{x}` standing for its subject. No phrasing is in both lists. */
export interface Phrasings {
  train: readonly string[];
  heldOut: readonly string[];
}

export type PhrasingSplit = 'train' | 'held_out';

export function phrasingsOf(phrasings: Phrasings, split: PhrasingSplit): readonly string[] {
  return split === 'train' ? phrasings.train : phrasings.heldOut;
}

/** Fills `{name}` slots; a sentence that a slot begins starts with a capital. */
export function fill(template: string, slots: Record<string, string>): string {
  return sentenceCase(template.replace(/\{(\w+)\}/g, (_, name: string) => slots[name]!));
}

export function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
