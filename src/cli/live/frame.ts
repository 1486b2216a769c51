/** Rows drawn by ink below what is printed. Loaded only when there is something to draw: ink takes a few hundred milliseconds. */
import { Box, type Instance, render, Text, useStderr } from 'ink';
import { createElement, useLayoutEffect } from 'react';
import { type Row, renderRow } from './row.ts';
import type { Terminal } from './terminal.ts';

export interface Frame {
  /** Draws these rows in place of the ones before. */
  draw(rows: readonly Row[]): void;
  /** Prints whole lines above the rows, as they are. */
  above(bytes: string | Uint8Array): void;
  /** Takes the rows away and shows the cursor, at once. */
  hide(): void;
}

/** @param window tells when it is resized, and is not written to */
export function createFrame(
  terminal: Terminal,
  { stdin, window, colour }: { stdin: NodeJS.ReadStream; window: NodeJS.WriteStream; colour: boolean },
): Frame {
  let instance: Instance | undefined;
  let inkWrite: ((data: string) => void) | undefined;
  let drawn = 0;
  let printed: string | Uint8Array = '';
  const stdout = asStream(terminal, window, (data) => terminal.write(data));
  // Ink takes its rows away, writes here, and draws them again: what is to be printed may be bytes that are no text.
  const stderr = asStream(terminal, window, () => terminal.write(printed));
  const tree = (rows: readonly Row[]) =>
    createElement(Rows, { lines: rows.map((row) => renderRow(row, colour)), onWriter: (write) => (inkWrite = write) });
  return {
    draw(rows) {
      drawn = rows.length;
      if (instance === undefined)
        instance = render(tree(rows), {
          stdout,
          stderr,
          stdin,
          patchConsole: false,
          exitOnCtrlC: false,
          interactive: true,
        });
      else instance.rerender(tree(rows));
    },
    above(bytes) {
      if (instance === undefined || inkWrite === undefined) return terminal.write(bytes);
      printed = bytes;
      inkWrite(' ');
    },
    hide() {
      if (instance === undefined) return;
      // Ink leaves its last rows behind, those too that it still held back to draw no more often than 30 times a second.
      instance.unmount();
      terminal.write(`${ROW_UP.repeat(drawn)}\r`);
      instance = undefined;
      inkWrite = undefined;
    },
  };
}

/** One up, and erased (ECMA-48, CUU and EL). */
const ROW_UP = '\x1b[1A\x1b[2K';

export interface RowsProps {
  /** Escaped and coloured. */
  readonly lines: readonly string[];
  readonly onWriter: (write: (data: string) => void) => void;
}

export function Rows({ lines, onWriter }: RowsProps) {
  const { write } = useStderr();
  useLayoutEffect(() => void onWriter(write), [write, onWriter]);
  // Wrapped, not cut, should a terminal measure a character otherwise than we do: what is decided upon is never hidden.
  return createElement(
    Box,
    { flexDirection: 'column' },
    ...lines.map((line, at) => createElement(Text, { key: at, wrap: 'hard' }, line === '' ? ' ' : line)),
  );
}

/** What ink needs of a stream. It hides the cursor only on a terminal, and asks for the size at every frame. */
function asStream(terminal: Terminal, window: NodeJS.WriteStream, write: (data: string) => void): NodeJS.WriteStream {
  const stream = {
    isTTY: true,
    writable: true,
    get columns() {
      return terminal.columns;
    },
    get rows() {
      return terminal.rows;
    },
    write(data: string, done?: () => void) {
      write(data);
      done?.();
      return true;
    },
    on: (event: 'resize', listener: () => void) => window.on(event, listener),
    off: (event: 'resize', listener: () => void) => window.off(event, listener),
  };
  return stream as unknown as NodeJS.WriteStream;
}
