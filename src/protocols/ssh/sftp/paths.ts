/** Paths as text: which can be looked up at all, what they would be without links, and which answers of a target are canonical. */

/** PATH_MAX of Linux: no target of ours takes longer ones. */
const LONGEST_PATH = 4096;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns undefined where it is no text, or holds a NUL: what would be judged is then not what the target sees */
export function decodePath(bytes: Buffer): string | undefined {
  if (bytes.length > LONGEST_PATH || bytes.includes(0)) return undefined;
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Absolute, nothing in it that a file system would read otherwise than it is written. */
export function isCanonical(path: string): boolean {
  if (path === '/') return true;
  if (!path.startsWith('/') || path.includes('\0')) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
}

/** As the target would begin to look it up. An empty path is the account's home (section 6.2 of the draft). */
export function absolute(path: string, home: string): string {
  if (path.startsWith('/')) return path;
  return path === '' ? home : join(home, path);
}

/** `.` and `..` taken out as if there were no links. Says where a path seems to lead, not where it leads. */
export function lexical(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

export interface Split {
  readonly parent: string;
  readonly last: string;
}

/** Its last name and what stands before it; undefined where that is no name of something in a folder: `/`, `.`, `..`. */
export function split(path: string): Split | undefined {
  const bare = path.replace(/\/+$/, '');
  const at = bare.lastIndexOf('/');
  const last = bare.slice(at + 1);
  if (last === '' || last === '.' || last === '..') return undefined;
  return { parent: at < 0 ? '' : bare.slice(0, at) || '/', last };
}

export function join(parent: string, last: string): string {
  return parent.endsWith('/') ? `${parent}${last}` : `${parent}/${last}`;
}

/** Every folder on the way and the path itself: `/a`, `/a/b`, `/a/b/c`. */
export function prefixes(path: string): readonly string[] {
  const found: string[] = [];
  for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) found.push(path.slice(0, at));
  if (path !== '/') found.push(path);
  return found;
}
