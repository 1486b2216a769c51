/** Waits until somebody answers on a port of loopback, or the process that should has ended. */
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Program } from '../processes.ts';

const PATIENCE_MS = 15_000;

export async function listening(port: number, program: Program): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  let ended: number | undefined;
  void program.exited.then((code) => {
    ended = code;
  });
  while (!(await answers(port))) {
    if (ended !== undefined || performance.now() > until)
      throw new Error(`nobody listens on ${port} (${ended ?? 'still running'}):\n${program.said().slice(-2_000)}`);
    await pause(20);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
