/**
 * Where a path leads at the target, asked there before anything is judged: REALPATH for the whole of it, then LSTAT for every folder on the way. Some servers
 * take REALPATH for a matter of text and leave links in it (the draft lets them): a link that is still there afterwards is refused.
 *
 * Between this and the request itself the target's files may change: docs/sftp.md says what that leaves open.
 */
import type { Impossible } from '../../../domain/command.ts';
import { isLink } from './attributes.ts';
import { Fields, packet, STATUS, TYPE } from './frames.ts';
import { absolute, decodePath, isCanonical, join, lexical, prefixes, split } from './paths.ts';

export interface Reply {
  readonly type: number;
  /** Everything behind the type: an id of ours, then the rest. */
  readonly body: Buffer;
}

/** Sends a request of our own. @param make the packet, given its id */
export type AskTarget = (make: (id: number) => Buffer) => Promise<Reply>;

export type Resolved =
  | { readonly kind: 'path'; readonly path: string; readonly exists: boolean }
  /** The target says no. `path` is where it seemed to lead: whoever may not know of that place is not told what the target says. */
  | { readonly kind: 'failed'; readonly path: string; readonly status: Buffer; readonly code: number }
  | { readonly kind: 'refused'; readonly impossible: Impossible };

export interface Resolver {
  /** Where the account begins. */
  readonly home: string;
  /** What the path leads to, through links. */
  whole(path: string | undefined): Promise<Resolved>;
  /** The name itself, in the folder where it really is: a link stays one. */
  entry(path: string | undefined): Promise<Resolved>;
  /** The same, but `.` and the like are looked at as a whole: for what changes nothing. */
  looked(path: string | undefined): Promise<Resolved>;
  /** What `~` stands for in it (expand-path@openssh.com). */
  expanded(path: string | undefined): Promise<Resolved>;
}

/** @returns undefined where the target does not say where it begins */
export async function createResolver(ask: AskTarget): Promise<Resolver | undefined> {
  const start = await realpath(ask, '.');
  if (start.kind !== 'path' || !isCanonical(start.path)) return undefined;
  const home = start.path;

  async function whole(path: string | undefined): Promise<Resolved> {
    if (path === undefined) return NO_TEXT;
    const full = absolute(path, home);
    const found = await realpath(ask, full);
    if (found.kind === 'path') return verified(ask, found.path);
    // Not every server tells the canonical form of what does not exist yet.
    const parts = found.code === STATUS.NO_SUCH_FILE ? split(full) : undefined;
    return parts ? within(parts.parent, parts.last, found) : { ...found, path: lexical(full) };
  }

  async function within(parent: string, last: string, failed: Failed): Promise<Resolved> {
    const seen = lexical(join(parent, last));
    const folder = await realpath(ask, parent);
    if (folder.kind !== 'path') return { ...failed, path: seen };
    const found = await verified(ask, join(folder.path, last));
    return found.kind === 'failed' ? { ...found, path: seen } : found;
  }

  async function entry(path: string | undefined): Promise<Resolved> {
    if (path === undefined) return NO_TEXT;
    const parts = split(absolute(path, home));
    if (parts === undefined) return NO_NAME;
    const folder = await realpath(ask, parts.parent);
    const seen = join(lexical(parts.parent), parts.last);
    if (folder.kind !== 'path') return { ...folder, path: seen };
    return verified(ask, join(folder.path, parts.last), 'mayBeLink');
  }

  return {
    home,
    whole,
    entry,
    looked: (path) => (path !== undefined && split(absolute(path, home)) ? entry(path) : whole(path)),
    async expanded(path) {
      if (path === undefined) return NO_TEXT;
      const found = await nameOf(ask, (id) => packet(TYPE.EXTENDED, id, 'expand-path@openssh.com', path), path);
      return found.kind === 'path' ? whole(found.path) : found;
    },
  };
}

type Failed = Extract<Resolved, { kind: 'failed' }>;

function realpath(ask: AskTarget, path: string) {
  return nameOf(ask, (id) => packet(TYPE.REALPATH, id, path), path);
}

/** The one name of a NAME reply. */
async function nameOf(
  ask: AskTarget,
  make: (id: number) => Buffer,
  path: string,
): Promise<{ readonly kind: 'path'; readonly path: string } | Failed> {
  const { type, body } = await ask(make);
  if (type === TYPE.STATUS) return failed(body, path);
  const fields = new Fields(body);
  fields.uint32();
  const count = fields.uint32();
  const found = decodePath(fields.string());
  // What is no text is judged as nothing a policy could name: it fails the check for canonical paths.
  return { kind: 'path', path: fields.broken || count !== 1 || found === undefined ? '' : found };
}

function failed(body: Buffer, path: string): Failed {
  const fields = new Fields(body);
  fields.uint32();
  return { kind: 'failed', path, status: body, code: fields.uint32() };
}

/** Asks about all folders on the way at once: one round trip, however deep. */
async function verified(ask: AskTarget, path: string, last?: 'mayBeLink'): Promise<Resolved> {
  if (!isCanonical(path)) return NOT_CANONICAL;
  const steps = prefixes(path);
  const replies = await Promise.all(steps.map((step) => ask((id) => packet(TYPE.LSTAT, id, step))));
  for (const [i, { type, body }] of replies.entries()) {
    const isLast = i === steps.length - 1;
    if (type === TYPE.STATUS) {
      const failure = failed(body, path);
      return isLast && failure.code === STATUS.NO_SUCH_FILE ? { kind: 'path', path, exists: false } : failure;
    }
    if (isLast && last === 'mayBeLink') continue;
    if (isLink(new Fields(body.subarray(4))) !== false) return STILL_A_LINK;
  }
  return { kind: 'path', path, exists: true };
}

function refused(reason: string, hint: string): Resolved {
  return { kind: 'refused', impossible: { code: 'HOOP_DENIED', reason, hint } };
}

const NO_TEXT = refused('the path is no UTF-8 text, too long, or holds a NUL', 'use another name');
const NO_NAME = refused('the path does not end in the name of something in a folder', 'name it by its own name');
const NOT_CANONICAL = refused('the target did not say where this path leads', 'use a path without links');
const STILL_A_LINK = refused(
  'the target leaves a symbolic link in this path, so where it leads cannot be told',
  'use the path without links',
);
