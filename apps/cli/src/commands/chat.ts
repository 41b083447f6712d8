import { createInterface } from 'node:readline/promises';
import { type ChatMessage, TrainyardError } from '@trainyard/contracts';
import type { Command } from 'commander';
import { type Context, numberOption, type Session, withSession } from '../context.ts';
import { printable } from '../terminal/terminal.ts';

interface ChatOptions {
  system?: string;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
}

export function chatCommand(program: Command, context: Context): void {
  program
    .command('chat <checkpoint> [message...]')
    .description('talk with an assistant (id or name@alias); with a message, one answer')
    .option('--system <text>', 'a system message before all others')
    .option('--max-tokens <n>', 'longest answer (32)', numberOption('--max-tokens'))
    .option('--temperature <t>', '0 takes the likeliest token (0)', numberOption('--temperature'))
    .option('--top-k <n>', 'sample from the n likeliest tokens', numberOption('--top-k'))
    .option('--top-p <p>', 'sample from the likeliest tokens of this share', numberOption('--top-p'))
    .option('--seed <n>', 'of sampling (1)', numberOption('--seed'))
    .action(
      withSession(context, async (session, checkpoint: string, words: string[], options: ChatOptions) => {
        const talk = new Conversation(session, checkpoint, options);
        if (words.length > 0) return talk.once(words.join(' '));
        if (session.json)
          throw new TrainyardError('invalid_request', 'With --json, give the message as an argument.', {
            param: 'message',
          });
        await talk.interactive();
      }),
    );
}

class Conversation {
  #turns: ChatMessage[] = [];
  readonly #session: Session;
  readonly #checkpoint: string;
  readonly #options: ChatOptions;

  constructor(session: Session, checkpoint: string, options: ChatOptions) {
    this.#session = session;
    this.#checkpoint = checkpoint;
    this.#options = options;
  }

  async once(message: string): Promise<void> {
    const { json, client, print } = this.#session;
    this.#turns.push({ role: 'user', content: message });
    if (json) print(await client.checkpoints.chat(this.#checkpoint, this.#request()), () => '');
    else await this.#stream();
  }

  /** Until the input ends. `/new` begins afresh; what no longer fits the model's context is forgotten from the top. */
  async interactive(): Promise<void> {
    const { terminal, stdin, client } = this.#session;
    const { id, kind, knowledge_cutoff: cutoff } = await client.checkpoints.get(this.#checkpoint);
    terminal.err.write(
      `${kind} ${id}${cutoff ? `, knowledge until ${cutoff}` : ''}. /new starts afresh, Ctrl-D ends.\n`,
    );
    const lines = createInterface({ input: stdin, output: terminal.out, prompt: '> ' });
    lines.prompt();
    for await (const line of lines) {
      const message = line.trim();
      if (message === '/new') this.#turns = [];
      else if (message !== '') await this.#turn(message);
      lines.prompt();
    }
  }

  async #turn(message: string): Promise<void> {
    const { terminal } = this.#session;
    this.#turns.push({ role: 'user', content: message });
    for (;;) {
      try {
        const content = await this.#stream();
        if (content.trim() === '') this.#turns.pop();
        else this.#turns.push({ role: 'assistant', content });
        return;
      } catch (error) {
        const tooLong =
          error instanceof TrainyardError && ['max_tokens', 'messages'].includes(error.param ?? '');
        if (tooLong && this.#turns.length > 2) this.#turns.splice(0, 2);
        else {
          this.#turns.pop();
          if (!(error instanceof TrainyardError)) throw error;
          return void terminal.err.write(`error: ${error.message}\n`);
        }
      }
    }
  }

  async #stream(): Promise<string> {
    const { client, terminal } = this.#session;
    let answer = '';
    for await (const text of client.checkpoints.chatStream(this.#checkpoint, this.#request())) {
      answer += text;
      terminal.out.write(printable(text));
    }
    terminal.out.write('\n');
    return answer;
  }

  #request() {
    const { system, maxTokens, temperature, topK, topP, seed } = this.#options;
    const first: ChatMessage[] = system ? [{ role: 'system', content: system }] : [];
    return {
      messages: [...first, ...this.#turns],
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(topK === undefined ? {} : { top_k: topK }),
      ...(topP === undefined ? {} : { top_p: topP }),
      ...(seed === undefined ? {} : { seed }),
    };
  }
}
