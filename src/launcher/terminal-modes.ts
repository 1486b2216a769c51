/**
 * Puts the terminal back as it was found when an agent that owned it did not: killed in raw mode, on the alternate screen, without a cursor.
 *
 * Node puts the modes back that it found, but only when it exits, after what is still to be said; and of the screen it knows nothing. There is no termios
 * in Node for other modes than its own raw one; stty(1) reads and writes them all.
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
 * The other screen is left by the mode that does not move the cursor (xterm, "DECSET 1047"): the one that does goes to wherever it was saved, which may be
 * long ago. Margins, wrapping, colours, character set, keypad, mouse, focus and paste are what full-screen programs change. Then below everything.
 */
const LEAVE =
  '\x1b[?1047l\x1b[r\x1b[?6l\x1b[?7h\x1b[?25h\x1b[0m\x1b(B\x0f\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[9999;1H\r\n';

function leaveScreen(): void {
  try {
    const terminal = openSync('/dev/tty', 'w');
    writeSync(terminal, LEAVE);
    closeSync(terminal);
  } catch {
    // It is gone.
  }
}
