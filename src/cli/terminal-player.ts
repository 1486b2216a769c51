/**
 * Plays what came to a recorded terminal on the one at hand: of its bytes what draws, by a list of what may pass. Several terminals of one session take turns, each
 * announced. What else happened meanwhile is kept and told when the screen is free again.
 */
import { createSafeTerminal, type SafeTerminal } from '../base/terminal/safe.ts';
import type { Context } from './context.ts';
import { type Line, showLine } from './replay-line.ts';

export interface TerminalPlayer {
  /** Plays or keeps it, or shows it as `showLine` does. */
  show(line: Line): void;
  /** A recorded screen stands on this one. */
  readonly playing: boolean;
  /** Gives the terminal back as it was. */
  close(): void;
}

const MOST_KEPT = 500;

/** @param only the command whose terminal alone is played */
export function createTerminalPlayer(ctx: Context, only: string | undefined): TerminalPlayer {
  const { out, stdout } = ctx;
  const open = new Map<string, SafeTerminal>();
  let current: string | undefined;
  let kept: Line[] = [];
  let left = 0;

  function play(line: Line, command: string): void {
    const { terminal } = line;
    if (!terminal || (only !== undefined && command !== only)) return;
    if (current !== command) announce(command);
    const { size, direction, bytes } = terminal;
    if (size && (size.columns > (stdout.columns || 80) || size.rows > (stdout.rows || 24)))
      if (!open.has(command))
        out.notice(`recorded on ${size.columns} columns and ${size.rows} rows: a smaller window shows it broken`);
    const screen = open.get(command) ?? createSafeTerminal();
    open.set(command, screen);
    if (direction === 'out') out.screen(screen.push(bytes));
  }

  function announce(command: string): void {
    leave();
    current = command;
    if (open.size > 0) out.notice(`terminal of ${command}`);
  }

  /** The screen as it was before, on a line of its own. */
  function leave(): void {
    const screen = current === undefined ? undefined : open.get(current);
    if (!screen) return;
    out.screen(screen.end());
    out.print('');
    current = undefined;
  }

  function tellKept(): void {
    for (const line of kept) showLine(ctx, line);
    if (left > 0) out.notice(`${left} more happenings meanwhile are not shown; with --no-wait to a file they are`);
    kept = [];
    left = 0;
  }

  return {
    show(line) {
      const command = line.command ?? '';
      if (line.terminal) return play(line, command);
      const over =
        line.kind === 'closed' || ((line.kind === 'outcome' || line.kind === 'unknown') && open.has(command));
      if (current !== undefined && !over) {
        if (kept.length < MOST_KEPT) kept.push(line);
        else left++;
        return;
      }
      if (over && (command === current || line.kind === 'closed')) {
        leave();
        tellKept();
      }
      open.delete(command);
      showLine(ctx, line);
    },
    get playing() {
      return current !== undefined;
    },
    close() {
      leave();
      tellKept();
    },
  };
}
