/**
 * A tripwire in an interactive shell: each line that is typed is read like a command, and one that a rule denies ends the session before its Enter is passed on.
 * It is no boundary: what a shell makes of a line, of its history, its aliases or a pasted script is not seen.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { createTypedLines, type TypedLine } from '../../base/terminal/typed.ts';
import type { Command } from '../../domain/command.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Permit } from '../../domain/permit.ts';
import type { SessionEvent } from '../../domain/recording.ts';
import type { Refusal } from '../../domain/refusal.ts';
import { readShell } from '../../languages/shell/index.ts';
import { commandFacts } from './interpret.ts';

export interface TypingParts {
  readonly clock: Clock;
  readonly account: string;
  readonly command: string;
  submit(command: Command): Promise<Permit | Refusal>;
  note(event: Extract<SessionEvent, { type: 'notice' }>): void;
  end(end: SessionEnd): void;
}

export interface Typing {
  /** Passes on what may be passed on: an Enter only after its line was looked at. */
  typed(chunk: Buffer, pass: (bytes: Buffer) => void): Promise<void>;
  shown(chunk: Buffer): void;
}

/** How long the target's echo of what was typed is waited for. */
const ECHO_MS = 250;
/** Typed bytes that are looked at in one go: a long paste is not to keep everybody else waiting. */
const AT_ONCE = 1024;
const ECHO_MOST = 16 * 1024;
const ENTER: ReadonlySet<number> = new Set([0x0a, 0x0d]);

export function watchTyping(parts: TypingParts): Typing {
  const keys = createTypedLines();
  let echo = '';
  let heard: (() => void) | undefined;
  let over = false;
  return {
    async typed(chunk, pass) {
      for (let from = 0; from < chunk.length && !over; ) {
        const found = chunk.subarray(from).findIndex((byte) => ENTER.has(byte));
        const end = found < 0 ? chunk.length : from + found;
        for (let at = from; at < end && !over; at += AT_ONCE) {
          const piece = chunk.subarray(at, Math.min(at + AT_ONCE, end));
          if (at > from) await turn();
          keys.push(piece);
          pass(piece);
        }
        if (found < 0) return;
        const enter = chunk.subarray(end, end + 1);
        if (await mayBeEntered(keys.push(enter))) pass(enter);
        from = end + 1;
      }
    },
    shown(chunk) {
      echo = (echo + chunk.toString('utf8')).slice(-ECHO_MOST);
      heard?.();
    },
  };

  async function mayBeEntered(lines: readonly TypedLine[]): Promise<boolean> {
    for (const line of lines) {
      const text = line.text.trim();
      if (text === '') continue;
      const visible = await comesBack(text);
      echo = '';
      // What is not shown is not written down either: it is a password.
      if (!visible) parts.note({ type: 'notice', notice: 'typed.hidden', command: parts.command });
      else if (!(await mayBeTyped(text))) return false;
    }
    return true;
  }

  function comesBack(text: string): Promise<boolean> {
    if (echoed(text, echo)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (visible: boolean) => {
        heard = undefined;
        stop();
        resolve(visible);
      };
      const stop = parts.clock.after(ECHO_MS, () => done(false));
      heard = () => echoed(text, echo) && done(true);
    });
  }

  async function mayBeTyped(text: string): Promise<boolean> {
    const read = readShell(text);
    const { effects, resources } = read;
    const answer = await parts.submit({
      ...{ text, bytes: Buffer.from(text), effects, resources, reading: {} },
      facts: { ...commandFacts(read, text), 'ssh.request': 'typed', 'ssh.mode': 'shell' },
      context: JSON.stringify({ account: parts.account, typed: true }),
      // Nobody is asked: the shell itself was allowed. What denies counts.
      part: 'continue',
    });
    if (answer.kind === 'permit') {
      answer.settle(0, { state: 'completed', durationMs: 0 });
      return true;
    }
    over = true;
    parts.end({ kind: 'denied', message: answer.message });
    return false;
  }
}

/** Every character typed came back, in order, among what else the screen was sent. */
function echoed(text: string, shown: string): boolean {
  const wanted = [...text];
  let at = 0;
  for (const char of shown) if (char === wanted[at]) at++;
  return at >= wanted.length;
}
