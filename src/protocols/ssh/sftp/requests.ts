/** What a client asks, read from its packets (draft-ietf-secsh-filexfer-02, section 6; OpenSSH's PROTOCOL file, section 4). Decides nothing. */
import { type Attributes, readAttributes } from './attributes.ts';
import { Fields, type Piece, TYPE } from './frames.ts';
import { decodePath } from './paths.ts';

/** Requests about one path that are sent on as the same type with another path, and what stands behind the path. */
export type PathOperation =
  | 'opendir'
  | 'stat'
  | 'lstat'
  | 'readlink'
  | 'remove'
  | 'rmdir'
  | 'mkdir'
  | 'setstat'
  | 'lsetstat'
  | 'statvfs';

export type PairOperation = 'rename' | 'posix-rename' | 'symlink' | 'hardlink';

export type HandleOperation = 'fstat' | 'readdir' | 'fsync' | 'fstatvfs';

/** Undefined where a path is no text. */
type Path = string | undefined;

export type Request =
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly path: Path;
      readonly flags: number;
      readonly attributes: Attributes;
    }
  | {
      readonly kind: 'path';
      readonly id: number;
      readonly operation: PathOperation;
      readonly path: Path;
      readonly attributes?: Attributes;
    }
  /** `from` is what exists, `to` the new name; of a symlink `from` is what it points to. */
  | {
      readonly kind: 'pair';
      readonly id: number;
      readonly operation: PairOperation;
      readonly from: Path;
      readonly to: Path;
    }
  | {
      readonly kind: 'realpath';
      readonly id: number;
      readonly operation: 'realpath' | 'expand-path';
      readonly path: Path;
    }
  | { readonly kind: 'home'; readonly id: number; readonly user: Path }
  /** Which names user and group numbers have. */
  | { readonly kind: 'names'; readonly id: number; readonly rest: Buffer }
  | { readonly kind: 'limits'; readonly id: number }
  | { readonly kind: 'handle'; readonly id: number; readonly operation: HandleOperation; readonly handle: Buffer }
  | { readonly kind: 'fsetstat'; readonly id: number; readonly handle: Buffer; readonly attributes: Attributes }
  | { readonly kind: 'close'; readonly id: number; readonly handle: Buffer }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly handle: Buffer;
      readonly offset: bigint;
      readonly length: number;
    }
  | { readonly kind: 'malformed'; readonly id: number }
  /** Nothing that this gateway can judge. */
  | { readonly kind: 'unsupported'; readonly id: number; readonly what: string };

type Reader = (fields: Fields, id: number) => Request;

const path =
  (operation: PathOperation): Reader =>
  (fields, id) => ({ kind: 'path', id, operation, path: text(fields) });
const attributed =
  (operation: PathOperation): Reader =>
  (fields, id) => ({
    ...{ kind: 'path', id, operation },
    ...{ path: text(fields), attributes: readAttributes(fields) },
  });
const pair =
  (operation: PairOperation): Reader =>
  (fields, id) => ({
    ...{ kind: 'pair', id, operation },
    ...{ from: text(fields), to: text(fields) },
  });
const handle =
  (operation: HandleOperation): Reader =>
  (fields, id) => ({
    ...{ kind: 'handle', id, operation },
    handle: fields.string(),
  });

const READERS = new Map<number, Reader>([
  [
    TYPE.OPEN,
    (fields, id) => ({
      ...{ kind: 'open', id },
      ...{ path: text(fields), flags: fields.uint32(), attributes: readAttributes(fields) },
    }),
  ],
  [TYPE.CLOSE, (fields, id) => ({ kind: 'close', id, handle: fields.string() })],
  [
    TYPE.READ,
    (fields, id) => ({
      ...{ kind: 'read', id },
      ...{ handle: fields.string(), offset: fields.uint64(), length: fields.uint32() },
    }),
  ],
  [TYPE.LSTAT, path('lstat')],
  [TYPE.FSTAT, handle('fstat')],
  [TYPE.SETSTAT, attributed('setstat')],
  [
    TYPE.FSETSTAT,
    (fields, id) => ({ kind: 'fsetstat', id, handle: fields.string(), attributes: readAttributes(fields) }),
  ],
  [TYPE.OPENDIR, path('opendir')],
  [TYPE.READDIR, handle('readdir')],
  [TYPE.REMOVE, path('remove')],
  [TYPE.MKDIR, attributed('mkdir')],
  [TYPE.RMDIR, path('rmdir')],
  [TYPE.REALPATH, (fields, id) => ({ kind: 'realpath', id, operation: 'realpath', path: text(fields) })],
  [TYPE.STAT, path('stat')],
  [TYPE.RENAME, pair('rename')],
  [TYPE.READLINK, path('readlink')],
  // OpenSSH has the two the other way round than the draft says, and everybody followed it (PROTOCOL, section 4.1).
  [TYPE.SYMLINK, pair('symlink')],
  [TYPE.EXTENDED, extended],
]);

interface Extension {
  /** The version that is known. */
  readonly version: string;
  readonly read: Reader;
}

/** Those that are judged. Whatever else a target offers is not shown to the client and not sent on. */
export const EXTENSIONS: ReadonlyMap<string, Extension> = new Map<string, Extension>([
  ['posix-rename@openssh.com', { version: '1', read: pair('posix-rename') }],
  ['statvfs@openssh.com', { version: '2', read: path('statvfs') }],
  ['fstatvfs@openssh.com', { version: '2', read: handle('fstatvfs') }],
  ['hardlink@openssh.com', { version: '1', read: pair('hardlink') }],
  ['fsync@openssh.com', { version: '1', read: handle('fsync') }],
  ['lsetstat@openssh.com', { version: '1', read: attributed('lsetstat') }],
  ['limits@openssh.com', { version: '1', read: (_fields, id) => ({ kind: 'limits', id }) }],
  [
    'expand-path@openssh.com',
    { version: '1', read: (fields, id) => ({ kind: 'realpath', id, operation: 'expand-path', path: text(fields) }) },
  ],
  ['home-directory', { version: '1', read: (fields, id) => ({ kind: 'home', id, user: text(fields) }) }],
  [
    'users-groups-by-id@openssh.com',
    {
      version: '1',
      read: (fields, id) => ({
        ...{ kind: 'names', id },
        rest: fields.span(() => {
          fields.string();
          fields.string();
        }),
      }),
    },
  ],
]);

/** The names of extensions as packets carry them. */
export const EXTENSION_OF: Readonly<
  Record<'posix-rename' | 'hardlink' | 'lsetstat' | 'statvfs' | HandleOperation, string>
> = {
  'posix-rename': 'posix-rename@openssh.com',
  hardlink: 'hardlink@openssh.com',
  lsetstat: 'lsetstat@openssh.com',
  statvfs: 'statvfs@openssh.com',
  fstatvfs: 'fstatvfs@openssh.com',
  fsync: 'fsync@openssh.com',
  fstat: '',
  readdir: '',
};

/** @param body everything behind the type; at least an id, or there is nothing to answer to */
export function readRequest({ type, body }: Extract<Piece, { kind: 'packet' }>): Request {
  const fields = new Fields(body);
  const id = fields.uint32();
  const request = READERS.get(type)?.(fields, id) ?? { kind: 'unsupported', id, what: `packet type ${type}` };
  if (request.kind === 'unsupported') return request;
  // What stands behind the end could be read by the target as more than we judged.
  if (!fields.whole) return { kind: 'malformed', id };
  const strange = 'attributes' in request && request.attributes?.strange;
  return strange ? { kind: 'unsupported', id, what: 'attributes of other versions' } : request;
}

function extended(fields: Fields, id: number): Request {
  const name = fields.string().toString('latin1');
  const known = EXTENSIONS.get(name);
  return known ? known.read(fields, id) : { kind: 'unsupported', id, what: `the extension ${JSON.stringify(name)}` };
}

function text(fields: Fields): Path {
  return decodePath(fields.string());
}
