/** Requests as commands: what each does, what it touches, and how rules speak of it. Pure. */
import type { Command, Effect, Facts, Impossible, Resource } from '../../../domain/command.ts';
import type { FactTable } from '../../../domain/protocol.ts';
import type { Attributes } from './attributes.ts';
import type { PairOperation, PathOperation, Request } from './requests.ts';

/** `ssh.request` is `sftp` on all of them. */
export const SFTP_FACTS: FactTable = {
  'ssh.request': 'string',
  /** `open stat lstat opendir readlink realpath remove rmdir mkdir setstat rename symlink hardlink statvfs home names limits`. */
  'ssh.sftp': 'string',
  /** Every path it touches, as the target resolved them. */
  'ssh.path': 'list',
  /** How a file is opened: `read write append create truncate exclusive`. */
  'ssh.flags': 'list',
  /** What is set: `size owner permissions times`. */
  'ssh.attributes': 'list',
  /** Whether a rename takes the place of something. */
  'ssh.overwrites': 'boolean',
};

/** Section 6.3 of the draft. */
const FLAGS = [
  ['read', 0x1],
  ['write', 0x2],
  ['append', 0x4],
  ['create', 0x8],
  ['truncate', 0x10],
  ['exclusive', 0x20],
] as const;
const ALL_FLAGS = 0x3f;

export interface OpenMode {
  readonly names: readonly string[];
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  /** Whether opening alone may change something. */
  readonly changes: boolean;
  readonly strange: boolean;
}

export function openMode(flags: number): OpenMode {
  const names = FLAGS.filter(([, bit]) => flags & bit).map(([name]) => name);
  const write = names.includes('write');
  return {
    names,
    // Neither is O_RDONLY to OpenSSH's server: what is not said to be writing reads.
    read: names.includes('read') || !write,
    write,
    append: names.includes('append'),
    changes: names.some((name) => name !== 'read' && name !== 'exclusive'),
    strange: (flags & ~ALL_FLAGS) !== 0,
  };
}

/** A path, and what is done with it. */
type Touched = readonly [path: string, ...accesses: Effect[]];

export interface Meaning {
  /** The value of `ssh.sftp`. */
  readonly operation: string;
  /** The client's own words, and those that are sent. */
  readonly text: string;
  readonly sent: string;
  readonly effects: readonly Effect[];
  readonly touched: readonly Touched[];
  readonly facts?: Facts;
  readonly impossible?: Impossible | undefined;
}

export function commandOf(meaning: Meaning, context: string): Command {
  const { operation, text, sent, effects, touched, facts, impossible } = meaning;
  return {
    text,
    // Without the request's number, which says nothing: the same request asked again is the same command.
    bytes: Buffer.from(text),
    ...(sent === text ? {} : { sent }),
    effects: new Set(effects),
    resources: touched.flatMap(([name, ...accesses]) =>
      accesses.map((access): Resource => ({ kind: 'path', name, access })),
    ),
    facts: {
      'ssh.request': 'sftp',
      'ssh.sftp': operation,
      'ssh.path': impossible ? null : [...new Set(touched.map(([name]) => name))],
      ...facts,
    },
    context,
    ...(impossible ? { impossible } : {}),
    reading: {},
  };
}

export function openMeaning(request: Extract<Request, { kind: 'open' }>, path: string): Meaning {
  const mode = openMode(request.flags);
  const reads: Effect[] = mode.read ? ['read'] : [];
  const writes: Effect[] = mode.changes ? ['write'] : [];
  // A file's content leaves or enters by another road than an answer on the screen.
  const effects: Effect[] = [...reads, ...writes, 'transfer'];
  const say = (name: string | undefined) => words('open', [name], mode.names.join(','), request.attributes.text);
  return {
    ...{ operation: 'open', text: say(request.path), sent: say(path) },
    ...{ effects, touched: [[path, ...effects]] },
    facts: { 'ssh.flags': mode.names, ...attributeFacts(request.attributes) },
  };
}

const EFFECT: Readonly<Record<PathOperation, Effect>> = {
  opendir: 'read',
  stat: 'read',
  lstat: 'read',
  readlink: 'read',
  statvfs: 'read',
  mkdir: 'write',
  setstat: 'write',
  lsetstat: 'write',
  remove: 'delete',
  rmdir: 'delete',
};

export function pathMeaning(request: Extract<Request, { kind: 'path' }>, path: string): Meaning {
  const { operation, attributes } = request;
  const effect = EFFECT[operation];
  const say = (name: string | undefined) => words(operation, [name], attributes?.text);
  return {
    ...{ operation: operation === 'lsetstat' ? 'setstat' : operation, text: say(request.path), sent: say(path) },
    ...{ effects: [effect], touched: [[path, effect]] },
    ...(attributes ? { facts: attributeFacts(attributes) } : {}),
  };
}

/** Of a file that is open: its name was judged before, what is set was not. */
export function fsetstatMeaning(path: string, attributes: Attributes): Meaning {
  const text = words('setstat', [path], attributes.text, 'by its handle');
  return {
    ...{ operation: 'setstat', text, sent: text },
    ...{ effects: ['write'], touched: [[path, 'write']], facts: attributeFacts(attributes) },
  };
}

const PAIR_WORD: Readonly<Record<PairOperation, 'rename' | 'symlink' | 'hardlink'>> = {
  rename: 'rename',
  'posix-rename': 'rename',
  symlink: 'symlink',
  hardlink: 'hardlink',
};

export function pairMeaning(
  request: Extract<Request, { kind: 'pair' }>,
  from: string,
  to: string,
  overwrites: boolean,
): Meaning {
  const operation = PAIR_WORD[request.operation];
  const say = (a: string | undefined, b: string | undefined) => words(operation, [a, b]);
  const said = { operation, text: say(request.from, request.to), sent: say(from, to) };
  if (operation === 'rename') {
    const effects: Effect[] = overwrites ? ['write', 'delete'] : ['write'];
    return {
      ...said,
      effects,
      touched: [
        [from, 'write'],
        [to, ...effects],
      ],
      facts: { 'ssh.overwrites': overwrites },
    };
  }
  // Another name for what has one: whatever is decided by names from now on rests on it. Only a rule that says so lets it through.
  const effects: Effect[] = ['write', 'unknown'];
  return {
    ...said,
    effects,
    touched: [
      [from, ...effects],
      [to, ...effects],
    ],
  };
}

export function realpathMeaning(
  { operation, path }: Extract<Request, { kind: 'realpath' }>,
  found: string,
  home: boolean,
): Meaning {
  const said = { operation: 'realpath', text: words(operation, [path]), sent: words(operation, [found]) };
  // Where the account's home is: what every client asks first, and can do nothing without.
  if (home) return { ...said, effects: ['control'], touched: [] };
  return { ...said, effects: ['read'], touched: [[found, 'read']] };
}

export function homeMeaning(user: string | undefined): Meaning {
  const text = words('home', [user]);
  return { operation: 'home', text, sent: text, effects: ['read'], touched: [[`~${user ?? ''}`, 'read']] };
}

/** Questions about the target itself, without a path. */
export function plainMeaning(operation: 'names' | 'limits'): Meaning {
  const text = words(operation, []);
  return { operation, text, sent: text, effects: [operation === 'limits' ? 'control' : 'read'], touched: [] };
}

function attributeFacts({ names }: Attributes): Facts {
  return names.length > 0 ? { 'ssh.attributes': names } : {};
}

/** `sftp open "/srv/app/a b" (read)`. Paths as JSON strings: exact, whatever is in them. */
function words(
  operation: string,
  paths: readonly (string | undefined)[],
  ...more: readonly (string | undefined)[]
): string {
  const named = paths.map((path) => (path === undefined ? '(no text)' : JSON.stringify(path)));
  const said = more.filter((word) => word !== undefined && word !== '');
  return ['sftp', operation, ...named, ...(said.length > 0 ? [`(${said.join(' ')})`] : [])].join(' ');
}
