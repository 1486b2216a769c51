/** Names of paths, as a rule sees them. Lexical only: links, and what the folder is that a relative path starts in, only the target knows. */
import type { ShellWord } from './words.ts';

export interface Place {
  readonly name: string;
  /** Whether the name is surely the path that is meant. */
  readonly told: boolean;
  /** A device or a file of the kernel: what is written there is no file's content. */
  readonly system: boolean;
}

export function placeOf(word: ShellWord): Place {
  const name =
    word.literal === undefined && /^[$~`]/.test(word.text) ? word.text : normalPath(word.literal ?? word.text);
  return {
    name,
    told: word.literal?.startsWith('/') === true && !DOTS.test(word.literal),
    system: SYSTEM.test(name) && !STREAMS.test(name),
  };
}

const DOTS = /(?:^|\/)\.\.(?:\/|$)/;
const SYSTEM = /^\/(?:dev|proc|sys)\//;
const STREAMS = /^\/dev\/(?:null|zero|full|tty|stdin|stdout|stderr|fd\/\d+|shm\/.*)$/;

/**
 * An absolute path without `//`, `.`, `..` and a last slash; a relative one without `//` and `.`, beginning with `./` or `..`.
 */
export function normalPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (!path.startsWith('/'))
    return parts.length === 0 ? '.' : parts[0] === '..' ? parts.join('/') : `./${parts.join('/')}`;
  const kept: string[] = [];
  for (const part of parts) {
    if (part === '..') kept.pop();
    else kept.push(part);
  }
  return `/${kept.join('/')}`;
}
