/** What is done with each request of a client: judged and sent on with the paths that were judged, answered here, or refused. */
import { exhaustive } from '../../../base/exhaustive.ts';
import type { Impossible } from '../../../domain/command.ts';
import type { Permit } from '../../../domain/permit.ts';
import { NO_ATTRIBUTES } from './attributes.ts';
import {
  fsetstatMeaning,
  homeMeaning,
  type Meaning,
  openMeaning,
  openMode,
  pairMeaning,
  pathMeaning,
  plainMeaning,
  realpathMeaning,
} from './commands.ts';
import { type ContentParts, LONGEST_CONTENT } from './content.ts';
import { account, openFile, type OpenFile } from './files.ts';
import { Fields, LONGEST_HANDLE, LONGEST_PACKET, packet, renumbered, STATUS, statusName, TYPE } from './frames.ts';
import { impossible, type Judge, readingOf } from './judging.ts';
import { EXTENSION_OF, type HandleOperation, type PathOperation, type Request } from './requests.ts';
import type { Resolver } from './resolve.ts';
import type { Slot } from './slots.ts';

/** Everything but READ and WRITE, which flow by themselves. */
export type Asked = Exclude<Request, { kind: 'read' }>;

export interface DecideParts extends ContentParts {
  readonly judge: Judge;
  readonly resolver: Resolver;
  /** Whether the target does not have two names of a link the wrong way round: only OpenSSH's own way is known. */
  readonly knowsLinks: boolean;
}

export function createDecide({ line, judge, resolver, knowsLinks, basis, anew }: DecideParts) {
  const { slots, files } = line;

  function decide(request: Asked): void {
    const { id } = request;
    switch (request.kind) {
      case 'malformed':
        return line.status(id, STATUS.BAD_MESSAGE, 'this request is not as long as its fields');
      case 'unsupported':
        return line.status(id, STATUS.OP_UNSUPPORTED, `${request.what} is not let through`);
      case 'handle':
        return onHandle(request);
      case 'close':
        return close(request);
      case 'open':
        return line.wait(open(request));
      case 'path':
        return line.wait(request.operation === 'opendir' ? opendir(request) : onPath(request));
      case 'pair':
        return line.wait(onPair(request));
      case 'realpath':
        return line.wait(realpath(request));
      case 'fsetstat':
        return line.wait(fsetstat(request));
      case 'home':
        return line.wait(plain(id, homeMeaning(request.user), 'home-directory', TYPE.NAME, request.user ?? ''));
      case 'names': {
        const name = 'users-groups-by-id@openssh.com';
        return line.wait(plain(id, plainMeaning('names'), name, TYPE.EXTENDED_REPLY, request.rest));
      }
      case 'limits':
        return line.wait(limits(id));
      default:
        return exhaustive(request);
    }
  }

  async function open(request: Extract<Request, { kind: 'open' }>): Promise<void> {
    const { id } = request;
    if (files.full) return tooMany(id);
    const mode = openMode(request.flags);
    const permitted = await judge(id, async () => {
      const resolved = await resolver.whole(request.path);
      const reading = readingOf([resolved], (path) => openMeaning(request, path as string));
      return mode.strange
        ? { meaning: impossible(reading.meaning, STRANGE_FLAGS), path: '' }
        : { ...reading, path: pathOf(resolved) };
    });
    if (!permitted) return;
    const { permit, basis, reading } = permitted;
    const make = (ours: number) => packet(TYPE.OPEN, ours, reading.path, request.flags, request.attributes.bytes);
    opening(id, make, { path: reading.path, mode, permit, basis });
  }

  async function opendir(request: Extract<Request, { kind: 'path' }>): Promise<void> {
    const { id } = request;
    if (files.full) return tooMany(id);
    const permitted = await judge(id, async () => {
      const resolved = await resolver.whole(request.path);
      return { ...readingOf([resolved], (path) => pathMeaning(request, path as string)), path: pathOf(resolved) };
    });
    if (!permitted) return;
    const { permit, basis, reading } = permitted;
    const make = (ours: number) => packet(TYPE.OPENDIR, ours, reading.path);
    opening(id, make, { path: reading.path, mode: undefined, permit, basis });
  }

  /** The target's handle stays here: the client gets one of ours. */
  function opening(
    id: number,
    make: (id: number) => Buffer,
    parts: Pick<OpenFile, 'path' | 'mode' | 'permit' | 'basis'>,
  ): void {
    const { permit } = parts;
    const giveUp = files.reserve();
    line.running.add(permit);
    void forward(id, make, TYPE.HANDLE, (type, body) => {
      giveUp();
      line.running.delete(permit);
      if (type === TYPE.STATUS) {
        settle(permit, type, body);
        return renumbered(type, id, body);
      }
      const fields = new Fields(body);
      fields.uint32();
      const handle = fields.string();
      if (!fields.whole || handle.length > LONGEST_HANDLE) {
        settle(permit, type, body);
        line.broken('target', 'it gave a handle that is none');
        return undefined;
      }
      if (parts.mode) line.counts.files++;
      return packet(TYPE.HANDLE, id, 4, files.add(openFile(parts, handle)));
    });
  }

  async function onPath(request: Extract<Request, { kind: 'path' }>): Promise<void> {
    const { id, operation } = request;
    const permitted = await judge(id, async () => {
      const resolved = await resolver[RESOLVED_BY[operation]](request.path);
      return { ...readingOf([resolved], (path) => pathMeaning(request, path as string)), path: pathOf(resolved) };
    });
    if (!permitted) return;
    const { type, reply, changes } = SENT_AS[operation];
    const extension = operation === 'lsetstat' || operation === 'statvfs' ? [EXTENSION_OF[operation]] : [];
    const rest = request.attributes ? [request.attributes.bytes] : [];
    const make = (ours: number) => packet(type, ours, ...extension, permitted.reading.path, ...rest);
    const done = settled(id, permitted.permit, make, reply);
    // What changes names is over before anything behind it is looked up.
    if (changes) await done;
  }

  async function onPair(request: Extract<Request, { kind: 'pair' }>): Promise<void> {
    const { id, operation } = request;
    const permitted = await judge(id, async () => {
      const to = await resolver.entry(request.to);
      const pointsTo = operation === 'symlink' ? besideLink(request.from, to) : request.from;
      const from = await resolver[operation === 'symlink' || operation === 'hardlink' ? 'whole' : 'entry'](pointsTo);
      const overwrites = to.kind === 'path' && to.exists;
      const reading = readingOf([from, to], (a, b) => pairMeaning(request, a as string, b as string, overwrites));
      const unknown = operation === 'symlink' && !knowsLinks;
      const meaning = unknown ? impossible(reading.meaning, WHICH_LINK) : reading.meaning;
      return { ...reading, meaning, from: pathOf(from), to: pathOf(to), overwrites };
    });
    if (!permitted) return;
    const { from, to, overwrites } = permitted.reading;
    // Judged as a rename to a free name it is sent as the one that takes no other file's place.
    const posix = operation === 'posix-rename' && overwrites;
    const make = (ours: number) => {
      if (posix || operation === 'hardlink')
        return packet(TYPE.EXTENDED, ours, EXTENSION_OF[posix ? 'posix-rename' : 'hardlink'], from, to);
      return packet(operation === 'symlink' ? TYPE.SYMLINK : TYPE.RENAME, ours, from, to);
    };
    await settled(id, permitted.permit, make, TYPE.STATUS);
  }

  /** What a link says is read from the folder it stands in. */
  function besideLink(target: string | undefined, link: Awaited<ReturnType<Resolver['entry']>>): string | undefined {
    if (target === undefined || target.startsWith('/') || link.kind !== 'path') return target;
    return `${link.path.slice(0, link.path.lastIndexOf('/'))}/${target}`;
  }

  async function realpath(request: Extract<Request, { kind: 'realpath' }>): Promise<void> {
    const { id, operation, path } = request;
    const home = path === '.' || path === '' || (operation === 'expand-path' && path === '~');
    const permitted = await judge(id, async () => {
      const resolved = await resolver[operation === 'realpath' ? 'whole' : 'expanded'](path);
      const reading = readingOf([resolved], (found) => realpathMeaning(request, found as string, home));
      return { ...reading, path: pathOf(resolved) };
    });
    if (!permitted) return;
    permitted.permit.settle(0, { state: 'completed', durationMs: 0 });
    const found = permitted.reading.path;
    line.answer(id, packet(TYPE.NAME, id, 1, found, found, NO_ATTRIBUTES));
  }

  async function fsetstat(request: Extract<Request, { kind: 'fsetstat' }>): Promise<void> {
    const { id, attributes } = request;
    const file = files.find(request.handle);
    if (!file) return noHandle(id);
    const meaning = fsetstatMeaning(file.path, attributes);
    const reading = { meaning: file.mode?.write ? meaning : impossible(meaning, NOT_FOR_WRITING) };
    const permitted = await judge(id, () => reading);
    if (!permitted) return;
    const make = (ours: number) => packet(TYPE.FSETSTAT, ours, file.handle, attributes.bytes);
    // OpenSSH's clients say at the end how long the file has become.
    if (attributes.names.includes('size') && !attributes.bytes.subarray(4, 12).equals(lengthOf(file.sent.bytes)))
      file.sent.spoil();
    void settled(id, permitted.permit, make, TYPE.STATUS);
  }

  /** What a handle tells of itself rides on what it was opened by. */
  function onHandle({ id, operation, handle }: Extract<Request, { kind: 'handle' }>): void {
    const file = files.find(handle);
    if (!file) return noHandle(id);
    if (operation === 'readdir' && file.mode) return line.status(id, STATUS.FAILURE, 'this is no folder');
    if (file.cut !== undefined) return line.status(id, STATUS.FAILURE, file.cut);
    const go = () => byHandle(id, operation, file);
    if (file.basis === basis()) return go();
    anew(id, file, file.mode ? (file.mode.read ? 'read' : 'write') : 'list', go);
  }

  function byHandle(id: number, operation: HandleOperation, file: OpenFile): void {
    const extension = EXTENSION_OF[operation];
    const { type, reply } = HANDLE_TYPES[operation];
    const make = (ours: number) =>
      extension === '' ? packet(type, ours, file.handle) : packet(type, ours, extension, file.handle);
    void forward(id, make, reply, (got, body) => {
      if (got === TYPE.NAME && body.length >= 8) file.names += body.readUInt32BE(4);
      return renumbered(got, id, body);
    });
  }

  function close({ id, handle }: Extract<Request, { kind: 'close' }>): void {
    const file = files.find(handle);
    if (!file) return noHandle(id);
    files.remove(handle);
    line.running.add(file.permit);
    const make = (ours: number) => packet(TYPE.CLOSE, ours, file.handle);
    // What was asked before is answered before: all that flowed is counted by then.
    void forward(id, make, TYPE.STATUS, (type, body) => {
      line.running.delete(file.permit);
      const code = body.readUInt32BE(4);
      const ok = code === STATUS.OK && file.cut === undefined;
      const { outcome, sha256 } = account(
        file,
        ok ? 'completed' : 'failed',
        ok ? undefined : (file.cut?.split(':')[0] ?? statusName(code)),
      );
      file.permit.settle(0, outcome, sha256 === undefined ? undefined : { sha256 });
      return renumbered(type, id, body);
    });
  }

  async function plain(
    id: number,
    meaning: Meaning,
    extension: string,
    reply: number,
    rest: string | Buffer,
  ): Promise<void> {
    const permitted = await judge(id, () => ({ meaning }));
    if (permitted) void settled(id, permitted.permit, (ours) => packet(TYPE.EXTENDED, ours, extension, rest), reply);
  }

  /** The target's limits and ours, whichever is less: a client that keeps to them is never refused for size. */
  async function limits(id: number): Promise<void> {
    const permitted = await judge(id, () => ({ meaning: plainMeaning('limits') }));
    if (!permitted) return;
    const make = (ours: number) => packet(TYPE.EXTENDED, ours, 'limits@openssh.com');
    void forward(id, make, TYPE.EXTENDED_REPLY, (type, body) => {
      settle(permitted.permit, type, body);
      if (type === TYPE.STATUS) return renumbered(type, id, body);
      const fields = new Fields(body);
      fields.uint32();
      const least = [LONGEST_PACKET, LONGEST_CONTENT, LONGEST_CONTENT, line.limits.handles].map((own) => {
        const theirs = fields.uint64();
        return theirs === 0n || theirs > own ? BigInt(own) : theirs;
      });
      return packet(TYPE.EXTENDED_REPLY, id, ...least);
    });
  }

  /** Sends, answers the client with what comes back, and records what became of it. */
  async function settled(id: number, permit: Permit, make: (id: number) => Buffer, reply: number): Promise<void> {
    line.running.add(permit);
    await forward(id, make, reply, (type, body) => {
      line.running.delete(permit);
      settle(permit, type, body);
      return renumbered(type, id, body);
    });
  }

  /** @param answer makes the client's answer from the target's */
  function forward(
    id: number,
    make: (id: number) => Buffer,
    reply: number,
    answer: (type: number, body: Buffer) => Buffer | undefined,
  ): Promise<void> {
    return new Promise((resolve) => {
      const slot: Slot = slots.open(id, reply, (type, body) => {
        const bytes = answer(type, body);
        if (bytes) line.answer(id, bytes);
        resolve();
      });
      line.toTarget(make(slot.id));
    });
  }

  function noHandle(id: number): void {
    line.status(id, STATUS.FAILURE, 'no such handle');
  }

  function tooMany(id: number): void {
    line.status(id, STATUS.FAILURE, 'too many files are open');
  }

  return decide;
}

function settle(permit: Permit, type: number, body: Buffer): void {
  const code = type === TYPE.STATUS ? body.readUInt32BE(4) : STATUS.OK;
  if (code === STATUS.OK) permit.settle(0, { state: 'completed', durationMs: 0 });
  else permit.settle(0, { state: 'failed', code: statusName(code), durationMs: 0 });
}

function pathOf(resolved: Awaited<ReturnType<Resolver['whole']>>): string {
  return resolved.kind === 'path' ? resolved.path : '';
}

/** A name itself, or what it leads to. */
const RESOLVED_BY: Readonly<Record<PathOperation, 'whole' | 'entry' | 'looked'>> = {
  opendir: 'whole',
  stat: 'whole',
  lstat: 'looked',
  readlink: 'looked',
  remove: 'entry',
  rmdir: 'entry',
  mkdir: 'entry',
  setstat: 'whole',
  lsetstat: 'entry',
  statvfs: 'whole',
};

const SENT_AS: Readonly<Record<PathOperation, { type: number; reply: number; changes?: true }>> = {
  opendir: { type: TYPE.OPENDIR, reply: TYPE.HANDLE },
  stat: { type: TYPE.STAT, reply: TYPE.ATTRS },
  lstat: { type: TYPE.LSTAT, reply: TYPE.ATTRS },
  readlink: { type: TYPE.READLINK, reply: TYPE.NAME },
  remove: { type: TYPE.REMOVE, reply: TYPE.STATUS, changes: true },
  rmdir: { type: TYPE.RMDIR, reply: TYPE.STATUS, changes: true },
  mkdir: { type: TYPE.MKDIR, reply: TYPE.STATUS, changes: true },
  setstat: { type: TYPE.SETSTAT, reply: TYPE.STATUS, changes: true },
  lsetstat: { type: TYPE.EXTENDED, reply: TYPE.STATUS, changes: true },
  statvfs: { type: TYPE.EXTENDED, reply: TYPE.EXTENDED_REPLY },
};

const HANDLE_TYPES = {
  fstat: { type: TYPE.FSTAT, reply: TYPE.ATTRS },
  readdir: { type: TYPE.READDIR, reply: TYPE.NAME },
  fsync: { type: TYPE.EXTENDED, reply: TYPE.STATUS },
  fstatvfs: { type: TYPE.EXTENDED, reply: TYPE.EXTENDED_REPLY },
} as const;

const STRANGE_FLAGS: Impossible = {
  code: 'HOOP_DENIED',
  reason: 'the file is to be opened in a way that version 3 does not know',
  hint: 'open it for reading or writing',
};

export const NOT_FOR_WRITING: Impossible = {
  code: 'HOOP_DENIED',
  reason: 'this file was not opened for writing',
  hint: 'open it for writing',
};

const WHICH_LINK: Impossible = {
  code: 'HOOP_DENIED',
  reason: "the target is not OpenSSH's server, so which of the two names would become the link cannot be told",
};

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes));
  return length;
}
