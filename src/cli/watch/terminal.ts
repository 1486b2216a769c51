/** A screen of its own in the terminal, drawn by ink, and the keys typed there. Loaded only where somebody looks: ink takes a few hundred milliseconds. */
import { Box, type Instance, render, Text } from 'ink';
import { createElement } from 'react';
import { type Key, readKeys, type Typed } from '../live/keys.ts';
import { type Row, renderRow, type Size } from '../live/row.ts';

export interface FullScreen {
  draw(): void;
  /** Gives the terminal back as it was, until `enter`. */
  leave(): Promise<void>;
  enter(): void;
}

export interface FullScreenOptions {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly colour: boolean;
  rows(size: Size): readonly Row[];
  onKey(key: Key): void;
  /** Ctrl-C. */
  onInterrupt(): void;
}

export function fullScreen({ stdin, stdout, colour, rows, onKey, onInterrupt }: FullScreenOptions): FullScreen {
  let instance: Instance | undefined;
  // A row stays free: a screen that is full to its last row scrolls, and ink would draw all of it anew each time.
  const size = (): Size => ({ columns: stdout.columns || 80, rows: Math.max(4, (stdout.rows || 24) - 1) });
  const tree = () =>
    createElement(
      Box,
      { flexDirection: 'column' },
      ...rows(size()).map((row, at) => {
        const line = renderRow(row, colour);
        return createElement(Text, { key: at, wrap: 'truncate' }, line === '' ? ' ' : line);
      }),
    );
  const draw = () => instance?.rerender(tree());
  const onData = (chunk: Buffer) => {
    const { keys, signals } = keysOf(chunk.toString('utf8'));
    if (signals.includes('SIGINT')) return onInterrupt();
    if (signals.includes('SIGTSTP')) return void pause();
    for (const key of keys) onKey(key);
    draw();
  };
  const enter = () => {
    if (instance !== undefined) return;
    stdin.setRawMode(true);
    stdin.on('data', onData);
    stdin.resume();
    const options = {
      stdout,
      stdin,
      patchConsole: false,
      exitOnCtrlC: false,
      interactive: true,
      alternateScreen: true,
      // Drawn each second, and little of it changes.
      incrementalRendering: true,
    };
    instance = render(tree(), options);
    stdout.on('resize', draw);
  };
  const leave = async () => {
    const left = instance;
    if (left === undefined) return;
    instance = undefined;
    stdout.off('resize', draw);
    stdin.off('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
    left.unmount();
    await left.waitUntilExit();
  };
  // In raw mode Ctrl-Z is a key; the shell gets its own screen first.
  const pause = async () => {
    await leave();
    process.once('SIGCONT', enter);
    process.kill(process.pid, 'SIGTSTP');
  };
  return { draw, leave, enter };
}

// A held arrow key comes several times in one read over a slow line. Letters that come together were pasted, and stay so.
const MOVES = /^(?:\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|\r)+$/;
const MOVE = /\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|\r/g;

function keysOf(chunk: string): Typed {
  if (!MOVES.test(chunk)) return readKeys(chunk);
  return { keys: (chunk.match(MOVE) ?? []).flatMap((move) => readKeys(move).keys), signals: [] };
}
