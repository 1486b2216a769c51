/** What a person saw on a terminal, as lines to read: each line as it stood when it was left, and of a program that drew the whole screen what it drew last. */
import { createScreen, type Size } from './screen.ts';

export interface TranscriptPart {
  readonly kind: 'lines' | 'screen';
  readonly text: string;
}

export interface Transcript {
  push(bytes: Uint8Array): TranscriptPart[];
  resize(size: Size): void;
  /** What stands on the line that was not left, or on the screen that was not. */
  end(): TranscriptPart[];
}

export function createTranscript(): Transcript {
  let lines: string[] = [];
  let parts: TranscriptPart[] = [];
  const screen = createScreen(undefined, {
    onLine: (text) => void lines.push(text),
    onLeave: (rows) => {
      putLines();
      if (rows.length > 0) parts.push({ kind: 'screen', text: rows.join('\n') });
    },
  });

  function putLines(): void {
    if (lines.length > 0) parts.push({ kind: 'lines', text: lines.join('\n') });
    lines = [];
  }

  function taken(): TranscriptPart[] {
    putLines();
    const all = parts;
    parts = [];
    return all;
  }

  return {
    push(bytes) {
      screen.push(bytes);
      return taken();
    },
    resize: (size) => screen.resize(size),
    end() {
      if (screen.full) parts.push({ kind: 'screen', text: screen.rows().join('\n') });
      else if (screen.onRow !== '') lines.push(screen.onRow);
      return taken();
    },
  };
}
