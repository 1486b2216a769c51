/**
 * A tripwire in an interactive shell: each line that is typed is read like a command, and one that a rule denies ends the session before its Enter is passed on.
 * It is no boundary: what a shell makes of a line, of its history, its aliases or a pasted script is not seen.
 */
import type { Clock } from '../../base/clock.ts';
import type { Command } from '../../domain/command.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Permit } from '../../domain/permit.ts';
import type { SessionEvent } from '../../domain/recording.ts';
import type { Refusal } from '../../domain/refusal.ts';
import { readShell } from '../../languages/shell/index.ts';

export interface TypingParts {
  readonly clock: Clock;
  readonly account: string;
  readonly command: string;
  submit(command: Command): Promise<Permit | Refusal>;
  note(event: Extract<SessionEvent, { type: 'notice' }>): void;
  end(end: SessionEnd): void;
}

export interface Typing {
  /** @returns whether it may be passed on */
  typed(chunk: Buffer): Promise<boolean>;
  shown(chunk: Buffer): void;
}

/** How long the target's echo of what was typed is waited for. */
const ECHO_MS = 150;
const LINE_MOST = 4096;

export function watchTyping(parts: TypingParts): Typing {
  let line = '';
  let echo = '';
  return {
    async typed(chunk) {
      for (const char of chunk.toString('utf8')) {
        if (char !== '\r' && char !== '\n') {
          line = edited(line, char).slice(-LINE_MOST);
          continue;
        }
        const text = line.trim();
        line = '';
        if (text === '') continue;
        if (!echoed(text, echo)) await new Promise<void>((resolve) => parts.clock.after(ECHO_MS, resolve));
        const visible = echoed(text, echo);
        echo = '';
        // What is not shown is not written down either: it is a password.
        if (!visible) parts.note({ type: 'notice', notice: 'typed.hidden', command: parts.command });
        else if (!(await mayBeTyped(text))) return false;
      }
      return true;
    },
    shown(chunk) {
      echo = (echo + chunk.toString('utf8')).slice(-2 * LINE_MOST);
    },
  };

  async function mayBeTyped(text: string): Promise<boolean> {
    const { effects, resources, programs, argv } = readShell(text);
    const answer = await parts.submit({
      ...{ text, bytes: Buffer.from(text), effects, resources, reading: {} },
      facts: {
        'ssh.request': 'typed',
        'ssh.mode': 'shell',
        'ssh.command': text,
        'ssh.argv': argv ?? null,
        'ssh.program': programs,
      },
      context: JSON.stringify({ account: parts.account, typed: true }),
      // Nobody is asked: the shell itself was allowed. What denies counts.
      part: 'continue',
    });
    if (answer.kind === 'permit') {
      answer.settle(0, { state: 'completed', durationMs: 0 });
      return true;
    }
    parts.end({ kind: 'limit', limit: `the line that was typed is denied: ${answer.message}` });
    return false;
  }
}

function edited(line: string, char: string): string {
  if (char === '\x7f' || char === '\b') return line.slice(0, -1);
  if (char === '\x15' || char === '\x03' || char === '\x04') return '';
  if (char === '\x17') return line.replace(/\S+\s*$/, '');
  return char < ' ' ? line : line + char;
}

/** Every character typed came back, in order, among what else the screen was sent. */
function echoed(text: string, shown: string): boolean {
  let at = 0;
  for (const char of shown) if (char === text[at]) at++;
  return at >= text.length;
}
