/**
 * Puts the terminal back as it was found when an agent that owned it did not: killed in raw mode, on the alternate screen, without a cursor.
 *
 * There is no termios in Node for modes other than its own raw one; stty(1) reads and writes them all.
 */
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';

export interface TerminalModes {
  /** Synchronous: it also runs while the process exits. Harmless when nothing was changed. */
  restore(): void;
}

/** Reads the modes of the controlling terminal; without one there is nothing to remember. */
export async function rememberTerminalModes(): Promise<TerminalModes> {
  const found = await new Promise<string>((resolve) => {
    execFile('/bin/sh', ['-c', READ], (error, stdout) => resolve(error ? '' : stdout.trim()));
  });
  return {
    restore() {
      if (!MODES.test(found)) return;
      const left = spawnSync('/bin/sh', ['-c', READ], { encoding: 'utf8' }).stdout?.trim();
      if (left === found) return;
      leaveScreen();
      // Ignored, SIGTTOU lets a process change modes whose group is not in front any more: the agent may have put another one there (termios(3)).
      spawnSync('/bin/sh', ['-c', 'trap "" TTOU; exec stty "$1" </dev/tty', 'sh', found], { stdio: 'ignore' });
    },
  };
}

const READ = 'exec stty -g </dev/tty';

/** As POSIX `stty -g` and GNU's write it: nothing else is handed to a shell. */
const MODES = /^[0-9a-f:]+$/;

/**
 * The cursor is saved first: that is kept for each screen of its own, so leaving the alternate screen goes back to where it was entered, and does
 * nothing where it was not (xterm, "DECSET 1049"). Then what full-screen programs switch on: colours, keypad, mouse, focus, paste; and the cursor off.
 */
const LEAVE =
  '\x1b7\x1b[?1049l\x1b[?25h\x1b[0m\x1b(B\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\r\n';

function leaveScreen(): void {
  try {
    const terminal = openSync('/dev/tty', 'w');
    writeSync(terminal, LEAVE);
    closeSync(terminal);
  } catch {
    // It is gone.
  }
}
