/** Whether this process may talk to its terminal: a job in the background that reads a key, or changes a mode, is stopped by the kernel (termios(3), SIGTTIN). */
import { readFileSync } from 'node:fs';

/** Where nothing can be found out, or no terminal controls us, there is no background either. */
export function isInFront(): boolean {
  try {
    // proc(5), /proc/pid/stat: `pid (comm) state ppid pgrp session tty_nr tpgid …`.
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , , inFront] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return inFront === '-1' || inFront === group;
  } catch {
    return true;
  }
}
