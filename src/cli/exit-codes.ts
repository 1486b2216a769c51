/** What the number means that hoopctl ends with. Scripts rely on it; the table is also `hoopctl help exit-codes`. */
import type { ExitCode } from '../base/error.ts';

export const EXIT_CODES: ReadonlyMap<ExitCode, string> = new Map([
  [0, 'done'],
  [1, "failed (a target's error too)"],
  [2, 'wrong usage, a bad file, something this version does not do'],
  [3, 'not logged in, expired, token not accepted'],
  [4, 'refused by policy, unknown target, no approver'],
  [5, 'approval denied, expired, withdrawn, or still held after --wait'],
  [6, 'gateway or target cannot be reached, or a replica is unconfirmed'],
  [7, 'revoked'],
  [8, 'evidence does not verify'],
  [9, 'ended by a limit (--max, idle, rows, bytes)'],
  [125, 'run, connect: failed before the child started; the reason is in the error'],
  [126, 'run: the program is not executable'],
  [127, 'run: the program was not found'],
  [130, 'Ctrl-C'],
]);
