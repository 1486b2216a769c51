/**
 * A real pipe for what an agent prints. Node's own `stdio: 'pipe'` is a socket pair, and `echo oops > /dev/stderr` of a shell script fails on a socket
 * (open(2), ENXIO); a FIFO behaves as everything a program was ever piped to.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

export interface OutputPipe {
  /** For the child's stdio. */
  readonly fd: number;
  readonly output: Readable;
  /** The child has it: the output then ends when its last writer does. */
  handedOver(): void;
  close(): void;
}

/** @param path where the FIFO stands for a moment. @returns undefined where the system makes none */
export function openOutputPipe(path: string): OutputPipe | undefined {
  if (spawnSync('mkfifo', ['-m', '600', path], { stdio: 'ignore' }).status !== 0) return undefined;
  // Without O_NONBLOCK either end would wait for the other (fifo(7)).
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  rmSync(path, { force: true });
  const output = new Socket({ fd: readEnd, readable: true, writable: false });
  output.on('error', () => undefined); // its end is all that matters
  let open = true;
  const handedOver = () => {
    if (open) closeSync(fd);
    open = false;
  };
  return {
    fd,
    output,
    handedOver,
    close() {
      handedOver();
      output.destroy();
    },
  };
}
