/**
 * Turns tokens into text as they are generated: a character appears once its last byte has come. All results
 * joined equal `Tokenizer.decode` of all tokens; special tokens give no text.
 */
export class StreamDecoder {
  readonly #tokenBytes: (token: number) => Uint8Array;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param tokenBytes the bytes of one token; throws on an unknown id. */
  constructor(tokenBytes: (token: number) => Uint8Array) {
    this.#tokenBytes = tokenBytes;
  }

  /** @throws TrainyardError `invalid_data` where `token` is no id of the vocabulary. */
  push(token: number): string {
    return this.#utf8.decode(this.#tokenBytes(token), { stream: true });
  }

  /** Ends the text: U+FFFD for a character that stayed incomplete. The decoder may then start a new text. */
  flush(): string {
    return this.#utf8.decode();
  }
}
