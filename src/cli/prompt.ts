/** Asks the person at the terminal, on stderr. Without a terminal on stdin and stderr it asks nothing and says what answers instead. */
import { createInterface } from 'node:readline/promises';
import { escapeForDisplay } from '../base/shown.ts';
import { fail } from './errors.ts';

export interface Prompt {
  /** Whether a question could be asked now. */
  readonly possible: boolean;
  /** Yes or no; no is what Enter means. */
  confirm(question: string, answeredBy: string): Promise<boolean>;
  text(question: string, answeredBy: string): Promise<string>;
  /** Without echo. Whoever asks wraps the answer at once: it is a secret. */
  hidden(question: string, answeredBy: string): Promise<string>;
}

/**
 * @param signal aborted by Ctrl-C; obtained only when a question is asked
 * @param aside keeps everything else off the terminal while a question stands there
 */
export function createPrompt(
  stdin: NodeJS.ReadStream,
  stderr: NodeJS.WriteStream,
  signal: () => AbortSignal,
  aside: <T>(asking: () => Promise<T>) => Promise<T> = (asking) => asking(),
): Prompt {
  const possible = stdin.isTTY === true && stderr.isTTY === true;
  const need = (question: string, answeredBy: string) => {
    if (!possible)
      throw fail('NO_TERMINAL', `there is no terminal to ask: ${question}`, { hint: `answer it with ${answeredBy}` });
  };
  const line = async (question: string) => {
    const reader = createInterface({ input: stdin, output: stderr });
    // In raw mode Ctrl-C is a key to readline, and no signal; Ctrl-D ends the input. Without an answer the question would wait for ever.
    const given = new Promise<never>((_, reject) => {
      reader.once('SIGINT', () => reject(fail('INTERRUPTED', 'interrupted')));
      reader.once('close', () => reject(fail('INTERRUPTED', 'the input ended')));
    });
    try {
      return await Promise.race([reader.question(`${escapeForDisplay(question)} `, { signal: signal() }), given]);
    } finally {
      given.catch(() => {});
      reader.close();
    }
  };
  return {
    possible,
    async confirm(question, answeredBy) {
      need(question, answeredBy);
      return /^(y|yes)$/i.test((await aside(() => line(`${question} [y/N]`))).trim());
    },
    async text(question, answeredBy) {
      need(question, answeredBy);
      return (await aside(() => line(question))).trim();
    },
    async hidden(question, answeredBy) {
      need(question, answeredBy);
      return aside(() => readSilently(stdin, stderr, question, signal()));
    },
  };
}

/** Raw mode, because only then does the terminal not echo. */
function readSilently(
  stdin: NodeJS.ReadStream,
  stderr: NodeJS.WriteStream,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const onData = (chunk: Buffer) => {
      for (const char of chunk.toString('utf8')) {
        if (char === '\r' || char === '\n') return finish(() => resolve(typed));
        if (char === '\x03' || char === '\x04') return finish(() => reject(fail('INTERRUPTED', 'interrupted')));
        if (char === '\x7f' || char === '\b') typed = [...typed].slice(0, -1).join('');
        else if (char === '\x15') typed = '';
        else typed += char;
      }
    };
    signal.addEventListener('abort', () => finish(() => reject(fail('INTERRUPTED', 'interrupted'))), { once: true });
    stdin.setRawMode(true); // before the question: who answers at once must not see the answer either
    stdin.on('data', onData);
    stdin.resume();
    stderr.write(`${escapeForDisplay(question)} `);
  });
}
